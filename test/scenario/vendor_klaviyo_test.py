"""Klaviyo: what a server sends there, and what it makes of the answers."""
from sink import Answer
from sluice import workspace
from vendor.klaviyo import Klaviyo


def start(serve, vendor, clock=False, **config):
    destination = {"id": "klaviyo", "type": "KLAVIYO", "config": {"privateApiKey": "key", "apiVersion": "v3", **config}}
    return serve(workspace([destination]), clock=clock, env=vendor.knobs())


def counts(server):
    row = server.destination("klaviyo")
    return row["delivered"], row["dead"]


def identify(user, **traits):
    return {"type": "identify", "userId": user, "messageId": f"identify {user}", "traits": traits}


def join(user, wanted=True, **traits):
    return {"type": "group", "userId": user, "groupId": "news", "messageId": f"group {user}",
            "traits": {"subscribe": wanted, "consent": ["email"], **traits}}


def test_profiles_events_and_subscriptions_arrive(serve, vendors):
    klaviyo = vendors(Klaviyo)
    server = start(serve, klaviyo)
    server.post("/v1/batch", {"batch": [
        identify("u1", email="ada@post.test", first_name="Ada", plan="pro"),
        {"type": "track", "userId": "u1", "event": "Order Completed", "messageId": "t1", "properties": {"revenue": 12.5},
         "context": {"traits": {"email": "ada@post.test"}}},
        join("u1", email="ada@post.test"),
        {"type": "track", "messageId": "t2", "anonymousId": "a1", "event": "Viewed", "context": {"traits": {"phone": "0123"}}},
    ]})
    server.wait(lambda: counts(server) == (3, 1), "three to be delivered and the wrong phone number to be refused")
    assert [profile["first_name"] for profile in klaviyo.profiles.values()] == ["Ada"]
    assert klaviyo.events["t1"][0] == "Order Completed" and klaviyo.events["t1"][1]["value"] == 12.5
    assert klaviyo.lists == {"news": {"ada@post.test": {"email"}}}
    server.assert_conserved()


def test_a_profile_that_klaviyo_refuses_does_not_take_its_neighbours_down(serve, vendors):
    klaviyo = vendors(Klaviyo)
    server = start(serve, klaviyo, clock=True)
    server.post("/v1/batch", {"batch": [join("u1", email="a@post.test"), join("u2", email="nonsense"), join("u3", email="c@post.test")]})
    server.wait(lambda: counts(server)[1] == 1, "the wrong address to be dead")
    server.advance(3_600_000)
    server.wait(lambda: counts(server) == (2, 1), "its neighbours to be delivered")
    assert set(klaviyo.lists["news"]) == {"a@post.test", "c@post.test"}
    assert "Invalid email address" in str(server.get("/v0/dead")["letters"])
    server.assert_conserved()


def test_the_oldest_revision_updates_the_profile_that_is_there(serve, vendors):
    klaviyo = vendors(Klaviyo)
    klaviyo.profiles["01OLD"] = {"email": "ada@post.test", "properties": {"plan": "free"}}
    server = start(serve, klaviyo, apiVersion="v1")
    server.post("/v1/identify", identify("u1", email="ada@post.test", plan="pro"))
    server.wait(lambda: counts(server) == (1, 0), "the profile to be updated")
    assert klaviyo.profiles["01OLD"]["properties"] == {"plan": "pro"}
    assert [(call.method, call.path) for call in klaviyo.calls] == [("POST", "/api/profiles"), ("PATCH", "/api/profiles/01OLD")]


def test_a_throttled_event_is_sent_again_and_counts_once(serve, vendors):
    klaviyo = vendors(Klaviyo)
    klaviyo.next_answers(Answer(status=429, headers={"Retry-After": "1"}), Answer(status=503))
    server = start(serve, klaviyo, clock=True)
    server.track("Viewed", message_id="t1")
    server.wait(lambda: server.destination("klaviyo")["waiting"] == 1, "the event to wait")
    server.advance(3_600_000)
    server.wait(lambda: len(klaviyo.calls) >= 2 and server.destination("klaviyo")["waiting"] == 1, "the event to wait again")
    server.advance(3_600_000)
    server.wait(lambda: counts(server) == (1, 0), "the event to be delivered")
    assert list(klaviyo.events) == ["t1"]
