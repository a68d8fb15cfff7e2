"""Iterable: what a server sends there, and what it makes of the answers."""
from sluice import workspace
from vendor.iterable import Iterable


def start(serve, vendor, **config):
    destination = {"id": "iterable", "type": "ITERABLE", "config": {"apiKey": "key", "trackAllPages": True, **config}}
    return serve(workspace([destination]), env=vendor.knobs())


def counts(server):
    row = server.destination("iterable")
    return row["delivered"], row["dead"]


def track(user, event, **properties):
    return {"type": "track", "userId": user, "event": event, "messageId": f"{event} of {user}", "properties": properties}


HAT = {"product_id": "p1", "name": "Hat", "price": 9.5, "quantity": 2}


def test_users_events_carts_and_purchases_arrive(serve, vendors):
    iterable = vendors(Iterable)
    server = start(serve, iterable)
    server.post("/v1/batch", {"batch": [
        {"type": "identify", "userId": "u1", "messageId": "i1", "traits": {"plan": "pro"}},
        track("u1", "Opened", campaignId="12"),
        {"type": "page", "userId": "u1", "messageId": "p1", "name": "Home"},
        track("u2", "Product Added", products=[HAT]),
        track("u3", "Order Completed", order_id="o1", total=19, products=[HAT]),
    ]})
    server.wait(lambda: counts(server) == (5, 0), "everything to be delivered")
    assert iterable.users["u1"] == {"plan": "pro"}
    assert {(who, name) for who, name, _ in iterable.events} == {("u1", "Opened"), ("u1", "Home page")}
    assert iterable.carts["u2"][0]["id"] == "p1" and iterable.purchases["o1"][:2] == ("u3", 19)
    server.assert_conserved()


def test_what_a_bulk_answer_names_is_dead_and_the_rest_is_delivered(serve, vendors):
    iterable = vendors(Iterable, "key", "mobile", (), ("Forbidden",), ("u4",))
    server = start(serve, iterable)
    server.post("/v1/batch", {"batch": [track("u1", "Opened", email="nonsense"), track("u2", "Opened"), track("u3", "Forbidden"),
                                        track("u4", "Opened")]})
    server.wait(lambda: counts(server) == (1, 3), "one to be delivered and three to be dead")
    assert [who for who, _, _ in iterable.events] == ["u2"]
    letters = str(server.get("/v0/dead")["letters"])
    assert all(name in letters for name in ("invalidEmails", "disallowedEventNames", "forgottenUserIds"))
    server.assert_conserved()


def test_push_tokens_are_registered_with_a_key_that_the_log_does_not_show(serve, vendors):
    iterable = vendors(Iterable)
    server = start(serve, iterable, registerDeviceOrBrowserApiKey="mobile")
    server.post("/v1/identify", {"userId": "u1", "messageId": "i1", "context": {"device": {"token": "t1", "type": "ios"}}})
    server.wait(lambda: counts(server) == (1, 0), "the user to be updated and the token registered")
    assert iterable.tokens == {"t1": ("u1", "APNS")}
    assert "mobile" not in server.log()


def test_a_wrong_key_for_tokens_concerns_the_tokens_alone(serve, vendors):
    iterable = vendors(Iterable)
    server = start(serve, iterable, registerDeviceOrBrowserApiKey="wrong")
    server.post("/v1/identify", {"userId": "u1", "messageId": "i1", "context": {"device": {"token": "t1", "type": "ios"}}})
    server.wait(lambda: counts(server) == (0, 1), "the token to be refused")
    server.post("/v1/track", track("u2", "Opened"))
    server.wait(lambda: counts(server) == (1, 1), "the next event to be delivered")
    assert "u1" in iterable.users and iterable.tokens == {}
