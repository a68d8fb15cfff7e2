"""Segment: what its stand-in took after events went through the server, and what becomes of what it refuses."""
import pytest
from sink import Answer
from sluice import finished, sent, workspace
from vendor.segment import Segment


@pytest.fixture
def segment(vendors):
    return vendors(Segment)


def started(serve, vendor, key="sk_1"):
    return serve(workspace([{"id": "seg", "type": "SEGMENT", "config": {"writeKey": key}}]), clock=True, env=vendor.knobs())


def test_all_six_types_arrive_in_the_order_of_their_user(serve, segment):
    server = started(serve, segment)
    sent(server,
         {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}},
         {"type": "page", "userId": "u1", "properties": {"path": "/prices"}},
         {"type": "screen", "userId": "u1", "properties": {"name": "Home"}},
         {"type": "group", "userId": "u1", "groupId": "g1"},
         {"type": "alias", "userId": "u1", "previousId": "u0"},
         {"type": "track", "userId": "u1", "event": "Paid", "properties": {"sum": 5}})
    finished(server, "seg", "delivered", 6)
    assert [event["type"] for event in segment.events] == ["identify", "page", "screen", "group", "alias", "track"]
    assert segment.events[0]["traits"] == {"plan": "pro"}
    assert segment.events[3]["groupId"] == "g1" and segment.events[4]["previousId"] == "u0"
    assert segment.events[5]["properties"] == {"sum": 5} and segment.events[5]["timeStamp"]
    assert segment.strays == [] and segment.violations == []
    server.assert_conserved()


def test_an_event_that_is_too_large_for_segment_dies_alone(serve, segment):
    server = started(serve, segment)
    sent(server,
         {"type": "track", "userId": "u1", "event": "Large", "properties": {"text": "x" * 40_000}},
         {"type": "track", "userId": "u1", "event": "Small"})
    finished(server, "seg", "delivered", 1)
    finished(server, "seg", "dead", 1)
    assert [event["event"] for event in segment.events] == ["Small"]
    server.assert_conserved()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_segment_cannot_take_now_comes_again_once(serve, segment, status):
    segment.next_answers(Answer(status=status, body=b"{}"))
    server = started(serve, segment)
    server.track("Paid", message_id="m-1")

    finished(server, "seg", "delivered", 1)
    assert len(segment.calls) == 2
