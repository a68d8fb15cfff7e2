"""HubSpot by its stand-in: contacts and events arrive in order and in batches, and one bad record costs no other."""
import pytest
from sink import Answer
from sluice import sent, workspace
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


def counts(server):
    shown = server.destination("hubspot")
    return shown["delivered"], shown["dead"]


def finish(server, events):
    """Loads gather for a second, and what is refused together comes again."""
    def ended():
        server.advance(1000)
        return sum(counts(server)) == events
    server.wait(ended, f"{events} events to end")
    server.assert_conserved()


def test_contacts_go_out_together_and_events_after_their_contact(serve, vendor):
    server = serve(workspace([hubspot()]), clock=True, env=vendor.knobs())
    sent(server, *(identify(number, firstName=f"Ada {number}", shoe=40) for number in range(30)), *(order(number) for number in range(30)))
    finish(server, 60)
    assert counts(server) == (60, 0)
    held = vendor.records["contacts"].values()
    assert sorted(one["firstname"] for one in held) == sorted(f"Ada {number}" for number in range(30))
    assert sorted(event["properties"]["amount"] for event in vendor.events) == list(range(30))
    written = [call for call in vendor.calls if call.path.endswith("/batch/upsert")]
    assert len(written) < 10
    for number in range(30):
        mail = f"u{number}@mill.test"
        wrote = next(at for at, call in enumerate(vendor.calls) if "/batch/" in call.path and mail in call.body.decode())
        told = next(at for at, call in enumerate(vendor.calls) if call.path == "/events/v3/send" and call.json["email"] == mail)
        assert wrote < told


def test_of_a_batch_the_contact_that_is_refused_dies_alone(serve, vendor):
    server = serve(workspace([hubspot()]), clock=True, env=vendor.knobs())
    sent(server, *(identify(number) for number in range(9)), identify(9, email="no address"))
    finish(server, 10)
    assert counts(server) == (9, 1)
    assert len(vendor.records["contacts"]) == 9
    letters = server.get("/v0/dead")["letters"]
    assert len(letters) == 1 and "pat-1" not in server.get(f"/v0/dead/{letters[0]['id']}")["request"]


def test_a_contact_is_found_by_a_property_of_its_own(serve, vendor):
    vendor.records["contacts"] = {"17": {"email": "old@mill.test", "note": "n1"}}
    server = serve(workspace([hubspot(lookupField="note")]), clock=True, env=vendor.knobs())
    sent(server, identify(1, note="n1"), identify(2, note="n2"))
    finish(server, 2)
    assert counts(server) == (2, 0)
    assert vendor.records["contacts"]["17"]["email"] == "u1@mill.test"
    assert [one["note"] for one in vendor.records["contacts"].values()] == ["n1", "n2"]


def test_a_limit_that_is_reached_is_waited_for(serve, vendor):
    server = serve(workspace([hubspot()]), clock=True, env=vendor.knobs())
    limit = b'{"status":"error","message":"You have reached your secondly limit.","errorType":"RATE_LIMIT","policyName":"SECONDLY"}'
    vendor.next_answers(Answer(status=429, body=limit))
    sent(server, identify(1))
    finish(server, 1)
    assert counts(server) == (1, 0)
    assert vendor.calls[0].path == vendor.calls[1].path


def test_rows_of_reverse_etl_link_records(serve, vendor):
    server = serve(workspace([hubspot()]), clock=True, env=vendor.knobs())
    link = {"type": "HS-association", "fromObjectType": "companies", "toObjectType": "contacts", "associationTypeId": "1"}
    sent(server, *({"type": "identify", "userId": f"r{number}", "traits": {"from": {"id": number}, "to": {"id": 10 * number}},
                    "context": {"mappedToDestination": True, "externalId": [link]}} for number in (1, 2)))
    finish(server, 2)
    assert sorted(vendor.links) == [("companies", "1", "contacts", "10"), ("companies", "2", "contacts", "20")]


def test_a_batch_that_is_refused_for_one_contact_is_sent_again_without_it(serve, vendor):
    server = serve(workspace([hubspot(lookupField="note")]), clock=True, env=vendor.knobs())
    sent(server, *(identify(number, note=f"n{number}") for number in range(9)), identify(9, note="n9", email="no address"))
    finish(server, 10)
    assert counts(server) == (9, 1)
    assert sorted(one["note"] for one in vendor.records["contacts"].values()) == [f"n{number}" for number in range(9)]
