"""PostHog: what its stand-in ingested after events went through the server, and what becomes of what it refuses."""
import pytest
from sink import Answer
from sluice import finished, pass_a_second, sent, workspace
from vendor.posthog import PostHog


@pytest.fixture
def posthog(vendors):
    return vendors(PostHog)


def started(serve, vendor, **config):
    destination = {"id": "ph", "type": "POSTHOG", "config": {"teamApiKey": "phc_1", **config}}
    return serve(workspace([destination]), clock=True, env=vendor.knobs())


def test_people_groups_and_aliases_arrive(serve, posthog):
    server = started(serve, posthog, useV2Group=True, yourInstance="https://eu.i.posthog.com/")
    sent(server,
         {"type": "identify", "userId": "u1", "anonymousId": "a1", "traits": {"plan": "pro"}},
         {"type": "page", "userId": "u1", "name": "Prices", "context": {"page": {"url": "https://shop.test/prices", "path": "/prices"}}},
         {"type": "group", "userId": "u1", "groupId": "g1", "traits": {"groupType": "company", "name": "Acme"}},
         {"type": "alias", "userId": "u1", "previousId": "u0"})
    finished(server, "ph", "delivered", 4)
    assert posthog.persons["u1"] == {"plan": "pro"}
    assert posthog.groups == {("company", "g1"): {"name": "Acme"}}
    assert posthog.joined == [("u1", "u0")]
    assert [event["event"] for event in posthog.events] == ["$identify", "$pageview", "$groupidentify", "$create_alias"]
    assert posthog.dropped == []
    server.assert_conserved()


def test_an_unknown_key_is_no_delivery(serve, posthog):
    server = started(serve, posthog, teamApiKey="of another project")
    sent(server, {"type": "track", "userId": "u1", "event": "Paid"})
    def asked():
        pass_a_second(server, "ph")
        return len(posthog.calls) > 0
    server.wait(asked, "a request")
    assert server.destination("ph")["delivered"] == 0 and posthog.events == []


def test_events_of_many_people_share_a_request(serve, posthog):
    server = started(serve, posthog)
    sent(server, *({"type": "track", "userId": f"u{number}", "event": "Paid"} for number in range(200)))
    finished(server, "ph", "delivered", 200)
    assert len(posthog.events) == 200 and len(posthog.calls) < 10
    server.assert_conserved()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_posthog_cannot_take_now_comes_again_once(serve, posthog, status):
    posthog.next_answers(Answer(status=status, body=b"{}"))
    server = started(serve, posthog)
    server.track("Paid", message_id="m-1")
    finished(server, "ph", "delivered", 1)
    assert len(posthog.calls) == 2
