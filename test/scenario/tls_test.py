"""Delivery over TLS: whose certificate is believed, HTTP/2 where it is offered, and where a name is connected to."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from sluice import DEADLINE_S, webhook, workspace

LISTENS = "0A"  # the kernel's number of that state of a TCP socket


def knobs(authority, host, port):
    return {"SLUICE_DELIVERY_CA_FILE": str(authority.file), "SLUICE_DELIVERY_CONNECT_TO": f"{host}:443:127.0.0.1:{port}"}


def attempted(server):
    server.wait(lambda: server.destination("hook")["waiting"] == 1, "an attempt to fail")
    return server.cli("trace", "m1")[1]


def test_a_certificate_of_an_authority_that_is_trusted_is_delivered_to(serve, sinks, authority):
    sink = sinks(tls=authority.context(["api.vendor.test"]))
    server = serve(workspace([webhook("hook", "https://api.vendor.test/in")]), env=knobs(authority, "api.vendor.test", sink.port))
    server.track("e", message_id="m1")
    arrival = sink.wait_accepted(1)[0]
    assert (arrival.headers["host"], arrival.path) == ("api.vendor.test", "/in")


def test_a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent(serve, sinks, authority):
    sink = sinks(tls=authority.context(["api.vendor.test"]))
    env = knobs(authority, "api.vendor.test", sink.port)
    env.pop("SLUICE_DELIVERY_CA_FILE")
    server = serve(workspace([webhook("hook", "https://api.vendor.test/in")]), clock=True, env=env)
    server.track("e", message_id="m1")
    assert re.search("certificate", attempted(server))
    assert sink.arrivals == []


def test_a_certificate_for_another_name_is_refused_before_anything_is_sent(serve, sinks, authority):
    sink = sinks(tls=authority.context(["other.vendor.test"]))
    env = knobs(authority, "api.vendor.test", sink.port)
    server = serve(workspace([webhook("hook", "https://api.vendor.test/in")]), clock=True, env=env)
    server.track("e", message_id="m1")
    assert re.search("certificate|subject", attempted(server))
    assert sink.arrivals == []


def listening_port(process):
    """Of a process that was told to take any: from the kernel, since it does not say."""
    inodes = {os.readlink(link)[len("socket:["):-1] for link in pathlib.Path(f"/proc/{process.pid}/fd").iterdir()
              if os.readlink(link).startswith("socket:[")}
    for line in pathlib.Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        if state == LISTENS and rest[5] in inodes:
            return int(local.split(":")[1], 16)
    raise AssertionError("it listens on no port")


@pytest.fixture
def http2_server(authority):
    """nghttpd: (port, process); it answers 200 to what it is sent, and writes down each frame."""
    certificate, key = authority.issue(["h2.vendor.test"])
    process = subprocess.Popen(["stdbuf", "-oL", "nghttpd", "--verbose", "--no-content-length", "--echo-upload", "--address=127.0.0.1", "0",
                                str(key), str(certificate)], stdout=subprocess.PIPE, text=True)
    assert "listen" in process.stdout.readline()
    yield listening_port(process), process
    process.kill()
    process.wait(DEADLINE_S)
    process.stdout.close()


@pytest.mark.skipif(shutil.which("nghttpd") is None, reason="nghttpd (Debian's nghttp2-server) is not installed")
def test_a_destination_that_offers_http_2_gets_many_events_over_one_connection(serve, http2_server, authority):
    port, process = http2_server
    server = serve(workspace([webhook("hook", "https://h2.vendor.test/in")]), env=knobs(authority, "h2.vendor.test", port))
    for number in range(20):
        server.track("e", user=f"u{number}")
    server.wait(lambda: server.destination("hook")["delivered"] == 20, "20 deliveries")
    process.kill()
    frames = process.stdout.read()
    connections = set(re.findall(r"\[id=(\d+)\]", frames))
    assert "The negotiated protocol: h2" in frames
    assert len(re.findall(r":method: POST", frames)) == 20
    assert len(connections) == 1
