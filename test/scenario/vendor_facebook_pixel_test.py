"""Facebook Pixel: what Meta's Conversions API has after events went through the server, and what becomes of those that it refuses."""
import hashlib
import json

import pytest
from delivery_test import retry_until_quiet
from sink import Answer
from sluice import sent, workspace
from vendor.facebook_pixel import FacebookPixel, fault


@pytest.fixture
def meta(vendors):
    return vendors(FacebookPixel)


def started(serve, vendor, clock=False, **config):
    destination = {"id": "meta", "type": "FACEBOOK_PIXEL", "config": {"pixelId": "1234", "accessToken": "token", **config}}
    server = serve(workspace([destination]), clock=clock, env=vendor.knobs())
    if clock:
        vendor.now = lambda: server.clock_ms / 1000
    return server


def counts(server):
    row = server.destination("meta")
    return row["delivered"], row["dead"]


def track(user, event, **properties):
    return {"type": "track", "channel": "web", "userId": user, "event": event, "messageId": f"{event} of {user}", "properties": properties}


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_orders_pages_and_people_arrive(serve, meta):
    server = started(serve, meta, advancedMapping=True)
    sent(server,
         {"type": "identify", "channel": "web", "userId": "u1", "messageId": "i1", "traits": {"email": " Kim@Mail.test "}},
         {"type": "page", "channel": "web", "userId": "u1", "messageId": "p1", "name": "Home", "properties": {"url": "https://shop.test/"}},
         track("u1", "Order Completed", revenue="19.00", currency="EUR", email="kim@mail.test", products=[{"product_id": "h1", "price": 9.5}]),
         {"type": "track", "channel": "mobile", "userId": "u2", "event": "Opened", "messageId": "o1", "context": {"os": {"name": "iOS"}}})
    server.wait(lambda: counts(server) == (4, 0), "everything to be delivered")
    person = meta.events[("identify", "i1")]["user_data"]
    assert (person["external_id"], person["em"]) == (sha256("u1"), sha256("kim@mail.test"))
    assert ("Viewed page Home", "p1") in meta.events and ("Opened", "o1") in meta.events
    order = meta.events[("Purchase", "Order Completed of u1")]["custom_data"]
    assert (order["value"], order["currency"], order["content_ids"]) == (19, "EUR", ["h1"])
    server.assert_conserved()


def test_events_share_requests_and_one_that_meta_refuses_dies_alone(serve, meta):
    server = started(serve, meta)
    sent(server, *(track(f"u{n}", "Order Completed", revenue=n, currency="euros" if n == 7 else "EUR") for n in range(20)))
    server.wait(lambda: counts(server) == (19, 1), "all but one to be delivered")
    assert len(meta.events) == 19 and meta.refused > 0
    letters = server.get("/v0/dead")["letters"]
    assert [letter["message_id"] for letter in letters] == ["Order Completed of u7"]
    assert "2804010" in str(letters)
    server.assert_conserved()


def test_what_is_too_old_for_meta_costs_no_others(serve, meta):
    server = started(serve, meta)
    sent(server, {**track("u1", "Seen"), "originalTimestamp": "2020-01-01T00:00:00.000Z", "timestamp": "2020-01-01T00:00:00.000Z"},
         track("u2", "Seen"))
    server.wait(lambda: counts(server) == (1, 1), "one to be delivered and one to be dead")
    assert list(meta.events) == [("Seen", "Seen of u2")] and meta.refused == 0


@pytest.mark.parametrize("code", [1, 4, 17, 613, 80004, 21009])
def test_what_meta_cannot_take_now_comes_again_once(serve, meta, code):
    server = started(serve, meta, clock=True)
    meta.next_answers(Answer(status=400, headers={"Content-Type": "application/json"}, body=json.dumps(fault(code, "later")).encode()))
    sent(server, track("u1", "Seen"))
    server.wait(lambda: len(meta.calls) >= 1, "the first request")
    retry_until_quiet(server, "meta")
    assert counts(server) == (1, 0) and len(meta.calls) == 2
    server.assert_conserved()


def test_a_token_that_meta_refuses_pauses_the_destination_and_loses_nothing(serve, meta):
    server = started(serve, meta, clock=True, accessToken="hidden-and-wrong")
    sent(server, *(track(f"u{n}", "Seen") for n in range(25)))
    server.wait(lambda: server.destination("meta")["state"] == "paused", "the pause")
    assert counts(server) == (0, 0) and meta.events == {}
    assert "hidden-and-wrong" not in server.log() and "hidden-and-wrong" not in str(server.stat())
    meta.token = "hidden-and-wrong"
    server.advance(600_000)
    server.wait(lambda: server.destination("meta")["state"] == "running", "the destination to run again")
    retry_until_quiet(server, "meta")
    assert counts(server) == (25, 0) and len(meta.events) == 25
    server.assert_conserved()


def test_test_events_are_not_counted(serve, meta):
    server = started(serve, meta, testDestination=True, testEventCode="TEST9")
    sent(server, track("u1", "Seen"))
    server.wait(lambda: counts(server) == (1, 0), "the delivery")
    assert [event["event_name"] for event in meta.tests["TEST9"]] == ["Seen"] and meta.events == {}
