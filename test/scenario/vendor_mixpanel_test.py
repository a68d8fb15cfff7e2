"""Mixpanel: what its stand-in has after events went through the server, and what becomes of those that it refuses."""
import pytest
from sink import Answer
from sluice import sent, workspace
from vendor.mixpanel import Mixpanel


@pytest.fixture
def mixpanel(vendors):
    return vendors(Mixpanel)


def started(serve, vendor, clock=False, **config):
    destination = {"id": "mp", "type": "MP", "config": {"token": "token", **config}}
    return serve(workspace([destination]), clock=clock, env=vendor.knobs())


def delivered(server, count):
    server.wait(lambda: server.destination("mp")["delivered"] == count, f"{count} deliveries")


def test_a_users_events_profile_and_groups_arrive(serve, mixpanel):
    server = started(serve, mixpanel, groupKeySettings=[{"groupKey": "company"}], setOnceProperties=[{"property": "source"}])
    sent(server,
         {"type": "identify", "userId": "u1", "anonymousId": "a1", "traits": {"email": "kim@mail.test", "source": "ad", "plan": "free"}},
         {"type": "track", "userId": "u1", "event": "Order Completed", "messageId": "m-1", "properties": {"revenue": 12.5}},
         {"type": "group", "userId": "u1", "groupId": "g", "traits": {"company": "Acme", "size": 5}},
         {"type": "alias", "userId": "u1", "previousId": "u0"})
    delivered(server, 4)
    profile = mixpanel.profiles["u1"]
    assert (profile["$email"], profile["source"], profile["plan"], profile["company"]) == ("kim@mail.test", "ad", "free", ["Acme"])
    assert [transaction["$amount"] for transaction in profile["$transactions"]] == [12.5]
    assert mixpanel.events["m-1"]["event"] == "Order Completed"
    assert mixpanel.groups[("company", "Acme")]["size"] == 5
    assert sorted(mixpanel.merges) == [("u1", "a1"), ("u1", "u0")]
    server.assert_conserved()


def test_later_traits_win_and_what_is_set_once_stays(serve, mixpanel):
    server = started(serve, mixpanel, setOnceProperties=[{"property": "source"}])
    sent(server, *({"type": "identify", "userId": "u1", "traits": {"plan": plan, "source": plan}} for plan in ("free", "pro", "team")))
    delivered(server, 3)
    assert mixpanel.profiles["u1"] == {"plan": "team", "source": "free"}


def test_in_strict_mode_only_the_records_that_are_refused_become_dead_letters(serve, mixpanel):
    server = started(serve, mixpanel, strictMode=True)
    sent(server, *({"type": "track", "userId": user, "event": "Paid", "messageId": f"m-{user}"} for user in ("u1", "null", "u2")))
    delivered(server, 2)
    server.settle("mp")
    letters = server.get("/v0/dead")["letters"]
    assert [letter["message_id"] for letter in letters] == ["m-null"]
    assert sorted(mixpanel.events) == ["m-u1", "m-u2"]
    server.assert_conserved()


def test_an_error_inside_a_200_is_no_delivery(serve, mixpanel):
    server = started(serve, mixpanel, token="of another project")
    sent(server, {"type": "identify", "userId": "u1", "messageId": "m-1", "traits": {"plan": "pro"}})
    server.wait(lambda: server.destination("mp")["dead"] == 1, "the dead letter")
    assert mixpanel.profiles == {}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_batch_that_mixpanel_cannot_take_now_comes_again_once(serve, mixpanel, status):
    mixpanel.next_answers(Answer(status=status, body=b"{}"))
    server = started(serve, mixpanel, clock=True)
    server.track("Paid", message_id="m-1")
    server.wait(lambda: server.destination("mp")["waiting"] == 1, "the retry to wait")
    server.advance(600_000)
    delivered(server, 1)
    assert list(mixpanel.events) == ["m-1"] and len(mixpanel.calls) == 2


def test_revenue_is_counted_once_though_the_import_is_repeated(serve, mixpanel):
    mixpanel.next_answers(Answer(status=503, body=b"{}"))
    server = started(serve, mixpanel, clock=True)
    server.track("Paid", user="u1", message_id="m-1", properties={"revenue": 5})
    server.wait(lambda: server.destination("mp")["waiting"] == 1, "the retry to wait")
    server.advance(600_000)
    delivered(server, 1)
    assert [call.path for call in mixpanel.calls] == ["/import/", "/import/", "/engage/"]
    assert len(mixpanel.profiles["u1"]["$transactions"]) == 1


def test_a_service_account_signs_imports(serve, vendors):
    vendor = vendors(Mixpanel, "token", ("robot", "secret"), "42")
    server = started(serve, vendor, serviceAccountUserName="robot", serviceAccountSecret="secret", projectId="42")
    server.track("Paid", message_id="m-1")
    delivered(server, 1)
    assert "m-1" in vendor.events
