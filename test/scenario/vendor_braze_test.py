"""Braze: what its stand-in knows of people after events went through the server, and what becomes of what it refuses."""
import pytest
from sink import Answer
from sluice import finished, sent, workspace
from vendor.braze import Braze


@pytest.fixture
def braze(vendors):
    return vendors(Braze)


def started(serve, vendor, **config):
    destination = {"id": "b", "type": "BRAZE", "config": {"restApiKey": "key", "dataCenter": "EU-01", **config}}
    return serve(workspace([destination]), clock=True, env=vendor.knobs())


def test_who_becomes_known_keeps_what_they_did_before(serve, braze):
    server = started(serve, braze)
    sent(server,
         {"type": "track", "anonymousId": "a1", "event": "Looked", "properties": {"shelf": 3}},
         {"type": "identify", "anonymousId": "a1", "userId": "u1", "traits": {"firstName": "Kim", "email": "Kim@Mail.test", "plan": "pro"}},
         {"type": "track", "anonymousId": "a1", "userId": "u1", "event": "Order Completed",
          "properties": {"currency": "EUR", "products": [{"product_id": "pen", "price": 2.5, "quantity": 4}]}})
    finished(server, "b", "delivered", 3)
    profile = braze.profiles["id:u1"]
    assert profile["attributes"] == {"first_name": "Kim", "email": "kim@mail.test", "plan": "pro"}
    assert [(one["product_id"], one["price"], one["quantity"]) for one in profile["purchases"]] == [("pen", 2.5, 4)]
    assert ("u1", "a1") in braze.joined
    server.assert_conserved()


def test_an_alias_merges_users_before_later_events(serve, braze):
    server = started(serve, braze)
    sent(server,
         {"type": "track", "userId": "old", "event": "Before"},
         {"type": "alias", "userId": "new", "previousId": "old"},
         {"type": "track", "userId": "new", "event": "After"})
    finished(server, "b", "delivered", 3)
    assert braze.merged == [("old", "new")]
    assert "After" in [event["name"] for event in braze.profiles["id:new"]["events"]]
    paths = [call.path for call in braze.calls if call.path == "/users/merge" or b"After" in call.body]
    assert paths == ["/users/merge", "/users/track"]


def test_group_calls_subscribe_people(serve, braze):
    server = started(serve, braze, enableSubscriptionGroupInGroupCall=True)
    sent(server,
         {"type": "group", "userId": "u1", "groupId": "news", "traits": {"email": "a@mail.test", "subscriptionState": "subscribed"}},
         {"type": "group", "userId": "u2", "groupId": "sms", "traits": {"phone": "+15550100", "subscriptionState": "unsubscribed"}},
         {"type": "group", "userId": "u1", "groupId": "news", "traits": {"email": "a@mail.test", "subscriptionState": "unsubscribed"}})
    finished(server, "b", "delivered", 3)
    assert braze.subscriptions == {("news", "u1"): "unsubscribed", ("news", "a@mail.test"): "unsubscribed",
                                   ("sms", "u2"): "unsubscribed", ("sms", "+15550100"): "unsubscribed"}


def test_only_what_braze_names_in_its_errors_becomes_a_dead_letter(serve, braze):
    server = started(serve, braze)
    sent(server,
         {"type": "identify", "userId": "u1", "messageId": "m-1", "traits": {"plan": "pro"}},
         {"type": "identify", "userId": "u2", "messageId": "m-2", "traits": {"email": "no address"}},
         {"type": "track", "userId": "u3", "messageId": "m-3", "event": "Paid"})
    finished(server, "b", "delivered", 2)
    finished(server, "b", "dead", 1)
    letters = server.get("/v0/dead")["letters"]
    assert [letter["message_id"] for letter in letters] == ["m-2"]
    assert "id:u2" not in braze.profiles and braze.profiles["id:u1"]["attributes"] == {"plan": "pro"}
    server.assert_conserved()


def test_events_of_many_people_share_requests_of_75_objects(serve, braze):
    server = started(serve, braze)
    sent(server, *({"type": "track", "userId": f"u{number}", "event": "Paid", "context": {"traits": {"plan": "pro"}}} for number in range(150)))
    finished(server, "b", "delivered", 150)
    assert sum(len(profile["events"]) for profile in braze.profiles.values()) == 150
    assert len(braze.calls) < 20
    server.assert_conserved()


def test_profiles_are_compared_when_wanted(serve, braze):
    braze.profile("id:u1")["attributes"].update(first_name="Kim", plan="pro")
    server = started(serve, braze, supportDedup=True)
    sent(server, {"type": "identify", "userId": "u1", "traits": {"firstName": "Kim", "plan": "team"}})
    finished(server, "b", "delivered", 1)
    track = [call.json for call in braze.calls if call.path == "/users/track"]
    assert [body["attributes"] for body in track] == [[{"plan": "team", "external_id": "u1"}]]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_braze_cannot_take_now_comes_again_once(serve, braze, status):
    braze.next_answers(Answer(status=status, body=b"{}"))
    server = started(serve, braze)
    server.track("Paid", message_id="m-1")
    finished(server, "b", "delivered", 1)
    assert len(braze.calls) == 2 and len(braze.profiles) == 1
