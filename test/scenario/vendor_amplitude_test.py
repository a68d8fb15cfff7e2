"""Amplitude: what its stand-in has after events went through the server, and what becomes of those that it refuses."""
import json

import pytest
from sink import Answer
from sluice import sent, workspace
from vendor.amplitude import Amplitude


@pytest.fixture
def amplitude(vendors):
    return vendors(Amplitude)


def started(serve, vendor, clock=False, **config):
    destination = {"id": "am", "type": "AM", "config": {"apiKey": "key", **config}}
    return serve(workspace([destination]), clock=clock, env=vendor.knobs())


def delivered(server, count):
    server.wait(lambda: server.destination("am")["delivered"] == count, f"{count} deliveries")


def test_a_users_events_properties_groups_and_aliases_arrive(serve, amplitude):
    server = started(serve, amplitude, groupTypeTrait="kind", groupValueTrait="name", traitsToIncrement=[{"traits": "cups"}])
    sent(server,
         {"type": "identify", "userId": "kim", "messageId": "m-1", "traits": {"plan": "pro", "cups": 2}},
         {"type": "track", "userId": "kim", "messageId": "m-2", "event": "Order Completed",
          "properties": {"revenue": 12.5, "products": [{"product_id": "tea", "price": 12.5}]}},
         {"type": "group", "userId": "kim", "groupId": "g", "traits": {"kind": "team", "name": "Red", "seats": 4}},
         {"type": "identify", "userId": "kim", "messageId": "m-3", "traits": {"cups": 1}},
         {"type": "alias", "userId": "kim", "previousId": "kim-old"})
    delivered(server, 5)
    assert amplitude.users["kim"] == {"plan": "pro", "cups": 3, "team": "Red"}
    assert sorted(amplitude.events) == ["m-1", "m-2", "m-2-1", "m-3"]
    assert amplitude.events["m-2"]["revenue"] == 12.5
    assert amplitude.groups == {("team", "Red"): {"kind": "team", "name": "Red", "seats": 4}}
    assert amplitude.mappings == [("kim-old", "kim")]
    assert amplitude.violations == []
    server.assert_conserved()


def test_only_the_events_of_a_batch_that_are_refused_become_dead_letters(serve, amplitude):
    server = started(serve, amplitude)
    sent(server, *({"type": "track", "userId": user, "event": "Paid", "messageId": f"m-{user}"} for user in ("kim", "unknown", "lee")))
    delivered(server, 2)
    server.settle("am")
    assert [letter["message_id"] for letter in server.get("/v0/dead")["letters"]] == ["m-unknown"]
    assert sorted(amplitude.events) == ["m-kim", "m-lee"]
    server.assert_conserved()


def test_a_device_that_amplitude_does_not_want_costs_no_other(serve, vendors):
    vendor = vendors(Amplitude, "key", ["robot"])
    server = started(serve, vendor)
    sent(server, *({"type": "track", "anonymousId": device, "event": "Seen", "messageId": f"m-{device}"} for device in ("tab", "robot", "phone")))
    delivered(server, 2)
    server.settle("am")
    assert sorted(vendor.events) == ["m-phone", "m-tab"]


def test_a_key_of_another_project_makes_dead_letters(serve, amplitude):
    server = started(serve, amplitude, apiKey="other")
    server.track("Paid", message_id="m-1")
    server.wait(lambda: server.destination("am")["dead"] == 1, "the dead letter")
    assert amplitude.events == {}


THROTTLED_USER = {"code": 429, "error": "Too many requests for some devices and users", "eps_threshold": 30, "throttled_users": {"kim": 31}, "throttled_events": [0]}


@pytest.mark.parametrize("status, body", [(429, THROTTLED_USER), (429, {"code": 429, "error": "slow down"}), (503, {})])
def test_what_amplitude_cannot_take_now_comes_again_once(serve, amplitude, status, body):
    amplitude.next_answers(Answer(status=status, headers={"Content-Type": "application/json"}, body=json.dumps(body).encode()))
    server = started(serve, amplitude, clock=True)
    server.track("Paid", user="kim", message_id="m-1")
    server.wait(lambda: server.destination("am")["waiting"] == 1, "the retry to wait")
    server.advance(600_000)
    delivered(server, 1)
    assert list(amplitude.events) == ["m-1"] and len(amplitude.calls) == 2


def test_a_project_in_the_european_union_has_its_own_host(serve, amplitude):
    server = started(serve, amplitude, residencyServer="EU")
    server.track("Paid", message_id="m-1")
    delivered(server, 1)
    assert [call.host for call in amplitude.calls] == ["api.eu.amplitude.com"]
