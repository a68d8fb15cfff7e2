"""Slack by its stand-in: messages reach the webhook of their event."""
import pytest
from sluice import workspace
from vendor.slack import Slack

ALL, ORDERS = "/services/T1/B1/all", "/services/T1/B2/orders"


@pytest.fixture
def vendor(vendors):
    return vendors(Slack, ALL, ORDERS)


def slack(**config):
    return {"id": "slack", "type": "SLACK", "config": {
        "webhookUrl": f"https://hooks.slack.com{ALL}",
        "eventChannelSettings": [{"eventName": "^Order", "eventRegex": True, "eventChannelWebhook": f"https://hooks.slack.com{ORDERS}"}],
        **config}}


def test_messages_reach_the_channel_of_their_event(serve, vendor):
    server = serve(workspace([slack()]), clock=True, env=vendor.knobs())
    server.track("Order Placed", context={"traits": {"name": "Ada"}})
    server.track("Signed Out", context={"traits": {"name": "Bo & Co"}})
    server.settle()
    assert sorted((path, payload["text"]) for path, payload in vendor.messages) == [
        (ALL, "Bo &amp; Co did Signed Out"), (ORDERS, "Ada did Order Placed")]
    server.assert_conserved()


def test_a_dead_letter_shows_the_host_of_the_webhook_and_not_its_secret(serve, vendor):
    vendor.refuses.update({ALL: (410, b"channel_is_archived"), ORDERS: (410, b"channel_is_archived")})
    server = serve(workspace([slack()]), clock=True, env=vendor.knobs())
    server.track("Signed Out")
    server.track("Order Placed")
    server.settle()
    letters = server.get("/v0/dead")["letters"]
    shown = [server.get(f"/v0/dead/{letter['id']}")["request"] for letter in letters]
    assert [request.split()[:2] for request in shown] == [["POST", "https://hooks.slack.com/***"]] * 2
    server.assert_conserved()


def test_a_channel_that_is_gone_costs_its_own_messages_alone(serve, vendor):
    vendor.refuses[ORDERS] = (410, b"channel_is_archived")
    server = serve(workspace([slack()]), clock=True, env=vendor.knobs())
    for name in ("Order Placed", "Signed Out", "Signed In"):
        server.track(name, user=name)
    server.settle()
    shown = server.destination("slack")
    assert (shown["delivered"], shown["dead"]) == (2, 1)
    server.assert_conserved()
