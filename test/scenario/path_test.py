"""The path: an event goes in over HTTP, is durable, and reaches a webhook, with proof."""
import hashlib
import json
import subprocess
import uuid

import pytest
from sink import Answer, script
from sluice import BINARY, DEADLINE_S, DiedAtStart, Sluice, webhook, workspace


def test_an_event_that_was_acknowledged_arrives_at_the_webhook_once(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    server.track("Signed up", user="u1", message_id="m1")
    arrival = sink.wait_accepted(1)[0]
    assert arrival.method == "POST" and arrival.path == "/hook"
    assert arrival.json["event"] == "Signed up" and arrival.json["messageId"] == "m1" and arrival.json["type"] == "track"
    server.settle()
    assert len(sink.arrivals) == 1
    server.assert_conserved()


def test_bytes_that_no_transformation_touches_are_kept(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    body = '{"zeta":1, "anonymousId":"u1",  "big":9007199254740993,"huge":1e400,"text":"\\u00e9\\/é","dup":1,"dup":2,"messageId":"m1"}'
    status, answer, _ = server.post("/v1/track", body.encode())
    assert (status, answer) == (200, b"ok")
    out = sink.wait_accepted(1)[0].body.decode()
    for piece in ('{"zeta":1, "anonymousId":"u1",  "big":9007199254740993,"huge":1e400', '"text":"\\u00e9\\/é"', '"dup":1,"dup":2'):
        assert piece in out, out


def test_enrichment_adds_what_the_original_adds(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    server.post("/v1/identify", {"userId": "ann", "type": "wrong"}, headers={"X-Forwarded-For": "203.0.113.9, 10.0.0.1"})
    event = sink.wait_accepted(1)[0].json
    assert event["type"] == "identify"
    assert event["request_ip"] == "203.0.113.9"
    assert len(event["messageId"]) == 36 and event["receivedAt"].endswith("Z")
    assert event["rudderId"] == str(uuid.UUID(bytes=hashlib.md5(b"ann:").digest(), version=4))


def test_a_message_id_seen_before_is_acknowledged_and_not_stored_again(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    for _ in range(3):
        server.track("Paid", message_id="same")
    server.track("Paid", message_id="other")
    sink.wait_accepted(2)
    server.settle()
    assert sorted(sink.message_ids()) == ["other", "same"]
    assert server.stat()["gateway"]["events_duplicate"] == 2


def test_the_dedup_window_survives_a_restart(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    server.track("Paid", message_id="same")
    server.wait(lambda: server.destination("hook")["delivered"] == 1, "the delivery to be noted")
    server.kill()
    server.start()
    server.track("Paid", message_id="same")
    server.track("Paid", message_id="marker")
    sink.wait(lambda: any(a.json["messageId"] == "marker" for a in sink.accepted), "the marker")
    assert sink.message_ids().count("same") == 1


def test_after_the_dedup_window_the_same_id_is_a_new_event(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    server.track("Paid", message_id="same")
    server.wait(lambda: server.destination("hook")["delivered"] == 1, "the delivery to be noted")  # or the jump times it out
    server.advance(3_600_001)
    server.track("Paid", message_id="same")
    sink.wait_accepted(2)


def test_a_good_event_of_a_batch_is_stored_when_its_neighbour_is_bad(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    batch = {"batch": [{"type": "track", "event": "good", "userId": "u"}, {"type": "track", "event": "nobody"}, 7]}
    status, body, _ = server.post("/v1/batch", batch)
    assert (status, body) == (200, b"ok")
    assert sink.wait_accepted(1)[0].json["event"] == "good"
    server.wait(lambda: len(server.get("/v0/dead")["letters"]) == 2, "both dead letters")
    letters = server.get("/v0/dead")["letters"]
    texts = sorted(letter["text"] for letter in letters)
    assert texts == ["event is not a valid rudder event", "request neither has anonymousId nor userId"]
    server.assert_conserved()


def test_strict_mode_rejects_the_whole_batch_as_the_original_does(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]), env={"SLUICE_GATEWAY_STRICT": "true"})
    batch = {"batch": [{"type": "track", "event": "good", "userId": "u"}, {"type": "track", "event": "nobody"}]}
    status, body, _ = server.post("/v1/batch", batch)
    assert (status, body) == (400, b"request neither has anonymousId nor userId\n")
    server.track("marker")
    sink.wait_accepted(1)
    assert [a.json["event"] for a in sink.accepted] == ["marker"]


def test_events_of_one_user_arrive_in_order(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    connection = server.connection()
    for n in range(300):
        server.track(f"e{n}", user=f"u{n % 7}", connection=connection)
    sink.wait_accepted(300)
    for user in range(7):
        names = [a.json["event"] for a in sink.arrivals if a.json["anonymousId"] == f"u{user}"]
        assert names == [f"e{n}" for n in range(300) if n % 7 == user]


def test_the_integrations_object_decides_per_destination(serve, sinks):
    left = sinks()
    server = serve(workspace([webhook("hook", left.url)]))
    server.track("all off", integrations={"All": False})
    server.track("named on", integrations={"All": False, "Webhook": True})
    server.track("object", integrations={"All": False, "Webhook": {"a": 1}})
    server.track("named off", integrations={"Webhook": False})
    server.track("not an object", integrations="x")
    server.track("default")
    left.wait_accepted(3)
    server.settle()
    assert [a.json["event"] for a in left.accepted] == ["named on", "object", "default"]
    row = server.destination("hook")
    assert row["filtered"] == 3 and row["delivered"] == 3
    server.assert_conserved()


def test_allow_and_deny_lists_filter_track_events_by_trimmed_name(serve, sinks):
    allow, deny = sinks(), sinks()
    server = serve(workspace([
        webhook("allow", allow.url, eventFilteringOption="whitelistedEvents", whitelistedEvents=[{"eventName": " Paid "}]),
        webhook("deny", deny.url, eventFilteringOption="blacklistedEvents", blacklistedEvents=[{"eventName": "Paid"}])]))
    for name in ("Paid", "paid", "Other"):
        server.track(name)
    server.post("/v1/identify", {"userId": "u1"})
    allow.wait_accepted(2)
    deny.wait_accepted(3)
    server.settle()
    assert [a.json.get("event") for a in allow.accepted] == ["Paid", None]
    assert [a.json.get("event") for a in deny.accepted] == ["paid", "Other", None]
    server.assert_conserved()


def test_trace_tells_what_happened_to_a_message(serve, sink):
    sink.behave = script(Answer(status=503))
    server = serve(workspace([webhook("hook", sink.url), webhook("off", sink.url, eventFilteringOption="whitelistedEvents",
                                                                 whitelistedEvents=[])]), clock=True)
    server.track("Paid", message_id="m-1")
    sink.wait_arrivals(1)
    server.wait(lambda: server.destination("hook")["waiting"] == 1, "the retry to wait")
    server.advance(2_000)
    sink.wait_accepted(1)
    server.settle()
    trace = json.loads(server.cli("trace", "m-1", "--json")[1])
    hook = next(d for d in trace["events"][0]["destinations"] if d["id"] == "hook")
    off = next(d for d in trace["events"][0]["destinations"] if d["id"] == "off")
    assert [attempt["status"] for attempt in hook["attempts"]] == [503, 200]
    assert hook["end"] == "delivered"
    assert off["end"] == "filtered" and "allow list" in off["reason"]
    code, _, talk = server.cli("trace", "never-seen", check=False)
    assert code == 1 and "never-seen" in talk


def test_tail_shows_refused_requests_with_their_reason(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    status, body, _ = server.post("/v1/track", {"userId": "u"}, key="wk_unknown")
    assert (status, body) == (401, b"invalid write key\n")
    rows = [json.loads(line) for line in server.cli("tail", "--json")[1].splitlines()]
    refused = [row for row in rows if row["outcome"] == "rejected"]
    assert refused and refused[-1]["status"] == 401 and "invalid write key" in refused[-1]["reason"]
    assert "wk_unknown" not in json.dumps(rows), "a key must not be shown whole"


def test_a_changed_workspace_file_is_loaded_whole_and_a_bad_one_leaves_the_old_running(serve, sinks):
    first, second = sinks(), sinks()
    server = serve(workspace([webhook("one", first.url)]))
    server.track("before")
    first.wait_accepted(1)
    server.write_workspace(workspace([webhook("one", first.url), webhook("two", second.url)]))
    server.wait(lambda: len(server.stat()["destinations"]) == 2, "the new destination")
    server.track("after")
    second.wait_accepted(1)
    assert [a.json["event"] for a in second.accepted] == ["after"]
    server.write_workspace(workspace([webhook("one", first.url)], sources=[{"id": "x", "write_kee": "k"}]))
    server.wait(lambda: "write_kee" in server.log(), "the complaint")
    assert "write_key" in server.log()
    server.track("still")
    first.wait_accepted(3)


def test_events_of_an_unsupported_destination_type_are_kept_and_counted(serve, sink):
    server = serve(workspace([webhook("hook", sink.url), {"id": "later", "type": "SOMETHING_NEW", "config": {}}]))
    for n in range(5):
        server.track(f"e{n}")
    sink.wait_accepted(5)
    row = server.destination("later")
    assert row["state"] == "unsupported" and row["behind"] == 5 and row["delivered"] == 0
    server.assert_conserved()


def test_a_second_server_on_the_same_port_is_told_that_it_is_taken(serve, sink, tmp_path):
    first = serve(workspace([webhook("hook", sink.url)]), env={"SLUICE_GATEWAY_THREADS": "2"})
    (tmp_path / "second").mkdir()
    second = Sluice(tmp_path / "second", workspace([webhook("hook", sink.url)]),
                    env={"SLUICE_GATEWAY_THREADS": "2", "SLUICE_GATEWAY_LISTEN": f"127.0.0.1:{first.port}"})
    with pytest.raises(DiedAtStart):
        second.start()
    assert f"127.0.0.1:{first.port}" in second.log()
    for n in range(8):
        first.track(f"e{n}")
    sink.wait_accepted(8)


def test_version_tells_the_version_and_what_clients_look_for(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    status, body, _ = server.request("GET", "/version")
    document = json.loads(body)
    assert status == 200 and document["Features"] == ["gzip-req-payload"]
    told = subprocess.run([str(BINARY), "version"], capture_output=True, check=True).stdout.decode()
    assert told.split()[-1] == document["Version"]


def test_watching_the_counters_prints_them_again_until_nobody_reads(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    with subprocess.Popen([str(BINARY), "stat", "--watch", "--json", "--data", str(server.data)], stdout=subprocess.PIPE, text=True) as watcher:
        first, second = (json.loads(watcher.stdout.readline()) for _ in range(2))
        watcher.stdout.close()
        assert watcher.wait(DEADLINE_S) == 0
    assert first["pid"] == second["pid"] == server.process.pid
