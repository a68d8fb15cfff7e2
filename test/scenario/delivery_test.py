"""Delivery: order across retries, the retry rules, isolation, restart."""
import random

import pytest
from sink import Answer, always, failing_at_random, script
from sluice import webhook, workspace

HOUR = 3_600_000


def step(server, name, ms):
    """Moves the clock, and waits for the requests that went out for it: the next move would time them out."""
    server.advance(ms)
    server.wait(lambda: server.destination(name)["inflight"] == 0, "requests to end")


def retry_until_quiet(server, name, step_ms=60_000, limit_ms=6 * HOUR):
    """Advances the clock until the destination has nothing open."""
    spent = 0
    while True:
        server.settle(name)
        if server.destination(name)["open"] == 0:
            return spent
        assert spent < limit_ms, server.destination(name)
        server.advance(step_ms)
        spent += step_ms


def test_a_user_waits_behind_its_failed_event_and_others_do_not(serve, sink):
    sink.behave = lambda arrival, number: Answer(status=503 if arrival.json["event"] == "a1" and number == 0 else 200)
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    for name, user in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("b2", "b")):
        server.track(name, user=user)
    sink.wait_accepted(2)
    server.settle()
    assert [a.json["event"] for a in sink.accepted] == ["b1", "b2"]
    server.advance(2_000)
    sink.wait_accepted(5)
    assert [a.json["event"] for a in sink.accepted][2:] == ["a1", "a2", "a3"]
    server.assert_conserved()


def test_retry_after_is_obeyed_to_the_second(serve, sink):
    sink.behave = script(Answer(status=429, headers={"Retry-After": "120"}))
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    server.track("e")
    server.wait(lambda: server.destination("hook")["waiting"] == 1, "the retry to wait")
    server.advance(119_000)
    server.settle()
    assert len(sink.arrivals) == 1
    server.advance(1_001)
    sink.wait_accepted(1)


@pytest.mark.parametrize("status", [400, 404, 410, 422, 301])
def test_a_status_that_no_retry_can_cure_makes_a_dead_letter_at_once(serve, sink, status):
    sink.behave = script(Answer(status=status, body=b"no such thing"))
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    server.track("bad", message_id="m-bad")
    server.track("good")
    sink.wait_accepted(1)
    server.settle()
    letters = server.get("/v0/dead")["letters"]
    assert len(letters) == 1 and letters[0]["status"] == status and letters[0]["message_id"] == "m-bad"
    letter = server.get(f"/v0/dead/{letters[0]['id']}")
    assert "no such thing" in letter["response"] and "POST" in letter["request"]
    server.assert_conserved()


def test_an_event_is_dead_when_the_window_has_passed(serve, sink):
    sink.behave = lambda arrival, number: Answer(status=500 if arrival.json["event"] == "bad" else 200)
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    server.track("bad", user="b")
    for _ in range(5):  # successes in between keep the circuit closed
        server.track("good", user="g")
    spent = retry_until_quiet(server, "hook", step_ms=300_000)
    assert 4 * HOUR <= spent <= 5 * HOUR
    row = server.destination("hook")
    assert row["dead"] == 1 and row["delivered"] == 5
    assert server.get("/v0/dead")["letters"][0]["attempts"] >= 3
    server.assert_conserved()


def test_a_redriven_dead_letter_is_delivered(serve, sink):
    sink.behave = script(Answer(status=400))
    server = serve(workspace([webhook("hook", sink.url)]))
    server.track("Paid", message_id="m1")
    server.wait(lambda: server.destination("hook")["dead"] == 1, "the dead letter")
    server.cli("dead", "redrive", "--all")
    arrival = sink.wait_accepted(1)[0]
    assert arrival.json["messageId"] == "m1"
    server.settle()
    assert server.get("/v0/dead")["letters"] == []
    server.assert_conserved()


def test_a_destination_that_refuses_our_credentials_is_paused_and_loses_nothing(serve, sink):
    sink.behave = always(status=401)
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    for n in range(20):
        server.track(f"e{n}", user=f"u{n}")
    server.wait(lambda: server.destination("hook")["state"] == "paused", "the pause")
    server.wait(lambda: server.destination("hook")["inflight"] == 0, "requests to end")
    tried = len(sink.arrivals)
    step(server, "hook", 60_000)
    assert len(sink.arrivals) <= tried + 1
    sink.behave = always()
    server.advance(600_000)
    server.wait(lambda: server.destination("hook")["state"] == "running", "the destination to run again")
    retry_until_quiet(server, "hook")
    assert server.destination("hook")["delivered"] == 20 and server.destination("hook")["dead"] == 0
    server.assert_conserved()


def test_a_dead_destination_opens_the_circuit_and_its_events_wait_in_the_log(serve, sink):
    sink.behave = always(reset=True)
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    connection = server.connection()
    for n in range(400):
        server.track(f"e{n}", user=f"u{n}", connection=connection)

    def push():
        step(server, "hook", 1_000)
        return server.destination("hook")["state"] == "waiting"
    server.wait(push, "the circuit to open")
    tried = len(sink.arrivals)
    for _ in range(60):
        step(server, "hook", 1_000)
    assert len(sink.arrivals) - tried <= 60, "only probes go out"
    sink.behave = always()
    for _ in range(20):
        step(server, "hook", 60_000)
    retry_until_quiet(server, "hook")
    row = server.destination("hook")
    assert row["delivered"] == 400 and row["dead"] == 0
    server.assert_conserved()


def test_nearly_all_random_failures_are_cured_within_the_window(serve, sink):
    sink.behave = failing_at_random(0.0664, seed=7)
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    connection = server.connection()
    total = 5_000
    for start in range(0, total, 100):
        batch = [{"type": "track", "event": f"e{n}", "anonymousId": f"u{n % 500}", "messageId": f"m{n}"} for n in range(start, start + 100)]
        status, _, _ = server.post("/v1/batch", {"batch": batch}, connection=connection)
        assert status == 200
    retry_until_quiet(server, "hook", step_ms=10_000)
    row = server.destination("hook")
    assert row["delivered"] >= total * 0.9999
    for user in range(500):
        names = [a.json["messageId"] for a in sink.accepted if a.json["anonymousId"] == f"u{user}"]
        assert names == [f"m{n}" for n in range(total) if n % 500 == user], user
    server.assert_conserved()


def test_waiting_retries_survive_a_restart_in_order(serve, sink):
    sink.behave = always(status=503)
    server = serve(workspace([webhook("hook", sink.url)]), clock=True)
    for n in range(6):
        server.track(f"e{n}", user=f"u{n % 2}")
    server.wait(lambda: server.destination("hook")["waiting"] >= 2, "retries to wait")
    server.kill()
    sink.behave = always()
    server.start()
    retry_until_quiet(server, "hook")
    for user in range(2):
        assert [a.json["event"] for a in sink.accepted if a.json["anonymousId"] == f"u{user}"] == [f"e{n}" for n in range(6) if n % 2 == user]
    assert server.destination("hook")["delivered"] == 6
    server.assert_conserved()


def test_a_clean_stop_and_start_repeats_nothing(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]))
    for n in range(50):
        server.track(f"e{n}", user=f"u{n % 5}")
    sink.wait_accepted(50)
    server.settle()
    assert server.stop() == 0
    server.start()
    server.track("after")
    sink.wait_accepted(51)
    server.settle()
    assert len(sink.arrivals) == 51
    server.assert_conserved()


def test_a_destination_that_hangs_holds_back_nobody_else(serve, sinks):
    bad, good = sinks(always(hang=True)), sinks()
    server = serve(workspace([webhook("bad", bad.url), webhook("good", good.url)]))
    connection = server.connection()
    order = list(range(3_000))
    random.Random(1).shuffle(order)
    for start in range(0, len(order), 50):
        batch = [{"type": "track", "event": "e", "anonymousId": f"u{n % 97}", "messageId": f"m{n}"} for n in order[start:start + 50]]
        assert server.post("/v1/batch", {"batch": batch}, connection=connection)[0] == 200
    good.wait_accepted(3_000)
    assert server.destination("good")["delivered"] >= 2_900
    assert len(bad.accepted) == 0
    server.assert_conserved()


def test_a_rate_limit_spaces_requests(serve, sink):
    server = serve(workspace([webhook("hook", sink.url, delivery={"rate": "10/s"})]), clock=True)
    for n in range(40):
        server.track(f"e{n}", user=f"u{n}")
    sink.wait_arrivals(1)

    def idle():
        return server.destination("hook")["inflight"] == 0
    server.wait(idle, "requests to end")
    before = len(sink.arrivals)
    assert before <= 20, "burst is bounded"
    step(server, "hook", 1_000)
    assert len(sink.arrivals) - before <= 11
    for _ in range(8):
        step(server, "hook", 1_000)
    sink.wait_accepted(40)


def test_an_event_older_than_the_retention_age_is_expired_and_counted(serve, sink):
    sink.behave = always(status=503)
    server = serve(workspace([webhook("hook", sink.url)]), clock=True, env={"SLUICE_STORE_RETENTION_AGE": "2h"})
    for n in range(50):
        server.track(f"e{n}", user=f"u{n}")
    for _ in range(6):
        step(server, "hook", 3_600_000)
    server.wait(lambda: server.destination("hook")["expired"] + server.destination("hook")["dead"] > 0, "events to expire")
    server.assert_conserved()


def test_private_addresses_are_refused_unless_allowed(serve, sink):
    server = serve(workspace([webhook("hook", sink.url)]), env={"SLUICE_DELIVERY_ALLOW_PRIVATE": "false"})
    server.track("e")
    server.wait(lambda: server.destination("hook")["state"] == "paused", "the pause")
    assert "private" in server.destination("hook")["reason"]
    assert sink.connections == 0
    server.assert_conserved()
