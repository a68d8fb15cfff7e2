"""Customer.io: what its stand-in has after events went through the server, and what becomes of those that it refuses."""
import pytest
from sink import Answer
from sluice import sent, workspace
from vendor.customerio import CustomerIo


@pytest.fixture
def customerio(vendors):
    return vendors(CustomerIo)


def started(serve, vendor, clock=False, **config):
    destination = {"id": "cio", "type": "CUSTOMERIO", "config": {"siteID": "site", "apiKey": "key", **config}}
    return serve(workspace([destination]), clock=clock, env=vendor.knobs())


def delivered(server, count):
    server.wait(lambda: server.destination("cio")["delivered"] == count, f"{count} deliveries")


def test_people_events_devices_and_groups_arrive(serve, customerio):
    server = started(serve, customerio)
    phone = {"device": {"token": "tok", "type": "iOS"}}
    sent(server,
         {"type": "identify", "userId": "u1", "traits": {"email": "kim@mail.test", "plan": "pro"}},
         {"type": "track", "userId": "u1", "event": "Application Opened", "context": phone},
         {"type": "track", "userId": "u1", "event": "Paid", "properties": {"total": 5}},
         {"type": "page", "userId": "u1", "name": "Cart"},
         {"type": "group", "userId": "u1", "groupId": "g", "traits": {"name": "Acme"}},
         {"type": "alias", "userId": "u1", "previousId": "u0"})
    delivered(server, 6)
    assert customerio.people["u1"]["plan"] == "pro"
    assert customerio.devices == {"tok": "u1"}
    assert [event[:3] for event in customerio.events] == [("u1", "event", "Paid"), ("u1", "page", "Cart")]
    assert customerio.objects == {"g": {"attributes": {"name": "Acme"}, "people": {"u1"}}}
    assert customerio.merges == [("u1", "u0")]
    server.assert_conserved()


def test_the_order_of_a_users_operations_is_kept(serve, customerio):
    server = started(serve, customerio)
    for number in range(30):
        server.post("/v1/identify", {"userId": "u1", "traits": {"step": number}})
    delivered(server, 30)
    assert customerio.people["u1"]["step"] == 29


def test_only_the_operation_that_a_207_names_becomes_a_dead_letter(serve, customerio):
    server = started(serve, customerio)
    attributes = {f"a{number}": number for number in range(301)}  # the stand-in, as the vendor, takes 300
    sent(server, {"type": "identify", "userId": "u1", "messageId": "m-1", "traits": {"plan": "pro"}},
         {"type": "identify", "userId": "u2", "messageId": "m-2", "traits": attributes},
         {"type": "identify", "userId": "u3", "messageId": "m-3", "traits": {"plan": "pro"}})
    delivered(server, 2)
    server.settle("cio")
    assert [letter["message_id"] for letter in server.get("/v0/dead")["letters"]] == ["m-2"]
    assert sorted(customerio.people) == ["u1", "u3"]
    server.assert_conserved()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_batch_that_cannot_be_taken_now_comes_again_once(serve, customerio, status):
    customerio.next_answers(Answer(status=status, body=b"{}"))
    server = started(serve, customerio, clock=True)
    server.post("/v1/track", {"userId": "u1", "event": "Paid"})
    server.wait(lambda: server.destination("cio")["waiting"] == 1, "the retry to wait")
    server.advance(600_000)
    delivered(server, 1)
    assert len(customerio.calls) == 2


def test_a_wrong_key_delivers_nothing(serve, customerio):
    server = started(serve, customerio, apiKey="old key")
    server.post("/v1/track", {"userId": "u1", "event": "Paid"})
    server.wait(lambda: customerio.calls, "the request")
    server.wait(lambda: server.destination("cio")["inflight"] == 0, "its answer")
    assert server.destination("cio")["delivered"] == 0
    assert customerio.events == []
