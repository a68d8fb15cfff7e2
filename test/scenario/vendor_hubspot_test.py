"""HubSpot by its stand-in: contacts and events arrive in order and in batches, and one bad record costs no other."""
import pytest
from sink import Answer
from sluice import workspace
from vendor.hubspot import HubSpot

EVENTS = [{"rsEventName": "Order Placed", "hubspotEventName": "pe1_order", "eventProperties": [{"from": "total", "to": "amount"}]}]


def hubspot(**config):
    return {"id": "hubspot", "type": "HS", "config": {
        "authorizationType": "newPrivateAppApi", "accessToken": "pat-1", "apiVersion": "newApi", "lookupField": "email",
        "hubspotEvents": EVENTS, **config}}


@pytest.fixture
def vendor(vendors):
    return vendors(HubSpot, "pat-1", None, ["pe1_order"])


def identify(number, **traits):
    return {"type": "identify", "userId": f"u{number}", "messageId": f"m{number}", "traits": {"email": f"u{number}@mill.test", **traits}}


def order(number, **more):
    return {"type": "track", "userId": f"u{number}", "event": "Order Placed", "properties": {"total": number},
            "context": {"traits": {"email": f"u{number}@mill.test"}}, **more}


def send(server, *events):
    status, body, _ = server.post("/v1/batch", {"batch": list(events)})
    assert status == 200, body


def counts(server):
    shown = server.destination("hubspot")
    return shown["delivered"], shown["dead"]


def test_contacts_go_out_together_and_events_after_their_contact(serve, vendor):
    server = serve(workspace([hubspot()]), clock=True, env=vendor.knobs())
    send(server, *(identify(number, firstName=f"Ada {number}", shoe=40) for number in range(30)), *(order(number) for number in range(30)))
    server.settle()
    assert counts(server) == (60, 0)
    held = vendor.records["contacts"].values()
    assert sorted(one["firstname"] for one in held) == sorted(f"Ada {number}" for number in range(30))
    assert sorted(event["properties"]["amount"] for event in vendor.events) == list(range(30))
    written = [call for call in vendor.calls if call.path.endswith("/batch/upsert")]
    assert len(written) < 30
    for number in range(30):
        mail = f"u{number}@mill.test"
        wrote = next(at for at, call in enumerate(vendor.calls) if "/batch/" in call.path and mail in call.body.decode())
        sent = next(at for at, call in enumerate(vendor.calls) if call.path == "/events/v3/send" and call.json["email"] == mail)
        assert wrote < sent
    server.assert_conserved()


def test_of_a_batch_the_contact_that_is_refused_dies_alone(serve, vendor):
    server = serve(workspace([hubspot()]), clock=True, env=vendor.knobs())
    send(server, *(identify(number) for number in range(9)), identify(9, email="no address"))
    server.settle()
    assert counts(server) == (9, 1)
    assert len(vendor.records["contacts"]) == 9
    letters = server.get("/v0/dead")["letters"]
    assert len(letters) == 1 and "pat-1" not in server.get(f"/v0/dead/{letters[0]['id']}")["request"]
    server.assert_conserved()


def test_a_contact_is_found_by_a_property_of_its_own(serve, vendor):
    vendor.records["contacts"] = {"17": {"email": "old@mill.test", "note": "n1"}}
    server = serve(workspace([hubspot(lookupField="note")]), clock=True, env=vendor.knobs())
    send(server, identify(1, note="n1"), identify(2, note="n2"))
    server.settle()
    assert counts(server) == (2, 0)
    assert vendor.records["contacts"]["17"]["email"] == "u1@mill.test"
    assert [one["note"] for one in vendor.records["contacts"].values()] == ["n1", "n2"]
    server.assert_conserved()


def test_a_limit_that_is_reached_is_waited_for(serve, vendor):
    server = serve(workspace([hubspot()]), clock=True, env=vendor.knobs())
    limit = b'{"status":"error","message":"You have reached your secondly limit.","errorType":"RATE_LIMIT","policyName":"SECONDLY"}'
    vendor.next_answers(Answer(status=429, body=limit))
    send(server, identify(1))
    server.wait(lambda: server.destination("hubspot")["waiting"] == 1, "the event to wait")
    server.advance(3600000)
    server.settle()
    assert counts(server) == (1, 0)
    server.assert_conserved()


def test_rows_of_reverse_etl_link_records(serve, vendor):
    server = serve(workspace([hubspot()]), clock=True, env=vendor.knobs())
    link = {"type": "HS-association", "fromObjectType": "companies", "toObjectType": "contacts", "associationTypeId": "1"}
    send(server, *({"type": "identify", "userId": f"r{number}", "traits": {"from": {"id": number}, "to": {"id": 10 * number}},
                    "context": {"mappedToDestination": True, "externalId": [link]}} for number in (1, 2)))
    server.settle()
    assert sorted(vendor.links) == [("companies", "1", "contacts", "10"), ("companies", "2", "contacts", "20")]
    server.assert_conserved()


def test_a_batch_that_is_refused_for_one_contact_is_sent_again_without_it(serve, vendor):
    server = serve(workspace([hubspot(lookupField="note")]), clock=True, env=vendor.knobs())
    send(server, *(identify(number, note=f"n{number}") for number in range(9)), identify(9, note="n9", email="no address"))
    for _ in range(20):
        if server.destination("hubspot")["open"] == 0:
            break
        server.advance(60000)
        server.settle()
    assert counts(server) == (9, 1)
    assert sorted(one["note"] for one in vendor.records["contacts"].values()) == [f"n{number}" for number in range(9)]
    server.assert_conserved()
