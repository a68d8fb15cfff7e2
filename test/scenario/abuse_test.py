"""What hostile and unlucky clients get: the right code, a bounded cost, and never a crash."""
import gzip
import json
import resource
import socket
import struct
import zlib

import pytest
from sluice import webhook, workspace

AUTH = "Authorization: Basic d2tfd2ViOg==\r\n"  # wk_web:


@pytest.fixture
def server(serve, sink):
    made = serve(workspace([webhook("hook", sink.url)]))
    made.sink = sink
    yield made
    assert made.alive(), made.log()[-3000:]
    made.track("still alive")


def raw(server, data, shut=False):
    """Sends bytes, reads until the server closes or a whole response has come; returns what came."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(data)
        if shut:
            s.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                return answer
            if not piece:
                return answer
            answer += piece
            head, found, body = answer.partition(b"\r\n\r\n")
            if found:
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"content-length:") and len(body) >= int(line.split(b":")[1]):
                        return answer


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else None


BODY = b'{"event":"e","userId":"u"}'
PROBES = {
    "content-length with transfer-encoding": f"Content-Length: {len(BODY)}\r\nTransfer-Encoding: chunked\r\n",
    "two different content-lengths": f"Content-Length: {len(BODY)}\r\nContent-Length: 3\r\n",
    "a list of content-lengths": f"Content-Length: {len(BODY)}, 3\r\n",
    "a signed content-length": f"Content-Length: +{len(BODY)}\r\n",
    "space before the colon": f"Content-Length : {len(BODY)}\r\n",
    "obsolete folding": f"Content-Length: {len(BODY)}\r\nX-A: b\r\n c\r\n",
    "an unknown transfer-encoding": "Transfer-Encoding: xchunked\r\n",
    "a bare line feed": f"Content-Length: {len(BODY)}\nX-B: c\r\n",
    "a NUL in a header": f"Content-Length: {len(BODY)}\r\nX-C: a\0b\r\n",
}


@pytest.mark.parametrize("headers", PROBES.values(), ids=PROBES.keys())
def test_a_smuggling_probe_is_refused_and_the_connection_closed(server, headers):
    request = f"POST /v1/track HTTP/1.1\r\nHost: x\r\n{AUTH}{headers}\r\n".encode("latin-1") + BODY
    answer = raw(server, request)
    assert status_of(answer) in (400, 501), answer[:200]
    assert b"connection: close" in answer.lower()
    assert server.stat()["gateway"]["events_stored"] == 0


def test_pipelined_requests_are_answered_in_order(server):
    one = f"POST /v1/track HTTP/1.1\r\nHost: x\r\n{AUTH}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    probe = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(one + one + probe)
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    assert answer.count(b"HTTP/1.1 200") == 3 and answer.index(b"ok") < answer.index(b"Features")


def test_a_body_past_the_limit_is_refused_before_it_is_read(server):
    answer = raw(server, f"POST /v1/track HTTP/1.1\r\nHost: x\r\n{AUTH}Content-Length: 104857600\r\n\r\n".encode())
    assert status_of(answer) == 413 and b"request size exceeds max limit" in answer


def test_a_100_mb_chunked_body_is_refused_when_it_passes_the_limit(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(f"POST /v1/track HTTP/1.1\r\nHost: x\r\n{AUTH}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        sent = 0
        try:
            while sent < 100 << 20:
                s.sendall(chunk)
                sent += 65536
        except OSError:
            pass
    assert sent < 32 << 20, "the server stopped it"


def test_a_gzip_bomb_is_refused_at_the_ceiling(server):
    bomb = gzip.compress(b" " * (300 << 20), 9)
    before = rss_kb(server)
    status, body, _ = server.post("/v1/batch", bomb, headers={"Content-Encoding": "gzip"})
    assert (status, body) == (413, b"request size exceeds max limit\n")
    assert rss_kb(server) - before < 64 << 10


def rss_kb(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


@pytest.mark.parametrize("bad", [b"\x1f\x8b", gzip.compress(BODY)[:-5], zlib.compress(BODY), b"not gzip"], ids=["header", "cut", "zlib", "text"])
def test_broken_gzip_is_refused(server, bad):
    status, body, _ = server.post("/v1/track", bad, headers={"Content-Encoding": "gzip"})
    assert (status, body) == (500, b"failed to read body from request\n")


def test_gzip_of_several_members_is_read_whole(server):
    data = gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])
    status, _, _ = server.post("/v1/track", data, headers={"Content-Encoding": "gzip"})
    assert status == 200
    assert server.sink.wait_accepted(1)[0].json["event"] == "e"


@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"nul", b'{"a":1}}', b"\xef\xbb\xbf{}", b'{"userId":"\xff"}', b'{"userId":"\xed\xa0\x80"}', b'{"userId":"\xc0\xaf"}', b'{"a":01}',
    b'{"a":"\x01"}', b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b'{"userId":"u"}\0', b'{"a":"\\x"}'],
    ids=["empty", "blank", "open", "literal", "trailing", "bom", "utf8", "surrogate", "overlong", "zero", "control", "arrays", "objects", "nul", "escape"])
def test_a_body_that_is_not_json_is_refused(server, body):
    status, answer, _ = server.post("/v1/track", body)
    assert (status, answer) == (400, b"invalid json\n")


def test_headers_past_the_limit_are_refused(server):
    answer = raw(server, b"GET /version HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 200_000 + b"\r\n\r\n")
    assert status_of(answer) == 431


def test_slow_headers_are_cut_off_at_the_deadline(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(b"POST /v1/track HTTP/1.1\r\nHost: x\r\n")
        server.request("GET", "/version")  # the bytes above have been read by a loop that has answered since
        server.advance(5_000)
        s.sendall(b"X-Drip: a\r\n")
        server.advance(6_000)
        answer = b""
        while piece := s.recv(4096):
            answer += piece
    assert answer == b"" or status_of(answer) == 408


def test_ten_thousand_idle_connections_cost_little_and_the_next_request_is_served(serve, sink):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 10_500:
        pytest.skip(f"needs 10,500 file descriptors, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (10_500 if hard == resource.RLIM_INFINITY else hard, hard))
    server = serve(workspace([webhook("hook", sink.url)]))
    server.track("warm")
    before = rss_kb(server)
    idle = []
    try:
        for n in range(10_000):
            s = socket.socket()
            s.bind((f"127.0.0.{2 + n % 4}", 0))
            s.connect(("127.0.0.1", server.port))
            idle.append(s)
        server.track("served")
        sink.wait_accepted(2)
        assert rss_kb(server) - before < 40 << 10
    finally:
        for s in idle:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_running_out_of_file_descriptors_refuses_new_clients_and_heals(serve, sink):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    server = serve(workspace([webhook("hook", sink.url)]), preexec=few)
    idle = []
    for _ in range(300):
        s = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        idle.append(s)
    for s in idle:
        s.close()
    server.wait(lambda: server.alive() and served(server), "service after the flood")
    sink.wait_accepted(1)


def served(server):
    try:
        server.track("after")
        return True
    except (OSError, AssertionError):
        return False


def test_a_request_whose_client_leaves_before_the_answer_is_kept_when_it_was_stored(server):
    for n in range(50):
        s = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        body = json.dumps({"event": f"e{n}", "userId": "u", "messageId": f"m{n}"}).encode()
        s.sendall(f"POST /v1/track HTTP/1.1\r\nHost: x\r\n{AUTH}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    server.track("last")
    server.sink.wait(lambda: any(a.json["event"] == "last" for a in server.sink.accepted), "the last")
    server.settle()
    server.assert_conserved()


def test_unknown_paths_and_wrong_methods_get_the_originals_answers(server):
    assert server.request("GET", "/nowhere")[:2] == (404, b"404 page not found\n")
    assert server.request("GET", "/v1/track")[:2] == (405, b"")


def test_missing_and_unknown_write_keys_get_the_originals_answers(server):
    assert server.request("POST", "/v1/track", b"{}")[:2] == (401, b"failed to read writekey from header\n")
    assert server.post("/v1/track", b"{}", key="nope")[:2] == (401, b"invalid write key\n")
    assert server.request("POST", "/beacon/v1/batch", b"{}")[:2] == (401, b"failed to read writekey from query params\n")


def test_a_disabled_source_gets_the_originals_answer(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)], sources=[{"id": "web", "write_key": "wk_web", "enabled": False}]))
    assert server.post("/v1/track", b'{"userId":"u"}')[:2] == (404, b"source is disabled\n")
