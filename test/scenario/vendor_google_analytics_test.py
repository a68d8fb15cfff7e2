"""Google Analytics 4: what its stand-in has after events went through the server."""
import pytest
from sink import Answer
from sluice import sent, workspace
from vendor.google_analytics import GoogleAnalytics


@pytest.fixture
def analytics(vendors):
    return vendors(GoogleAnalytics)


def started(serve, vendor, clock=False, **config):
    destination = {"id": "ga4", "type": "GA4", "config": {"apiSecret": "secret", "measurementId": "G-1", **config}}
    return serve(workspace([destination]), clock=clock, env=vendor.knobs())


def delivered(server, count):
    server.wait(lambda: server.destination("ga4")["delivered"] == count, f"{count} deliveries")


PRODUCT = {"product_id": "tea-1", "name": "Oolong", "price": "9.50", "quantity": "2", "notes": {"smell": "flowers"}}


def test_events_pages_and_groups_are_what_google_processes(serve, analytics):
    server = started(serve, analytics)
    sent(server,
         {"type": "track", "userId": "kim", "anonymousId": "tab", "event": "Order Completed",
          "context": {"traits": {"plan": "pro", "ga_tier": "x", "essay": "word " * 20}},
          "properties": {"order_id": "o-1", "total": 19, "currency": "EUR", "products": [PRODUCT], "gift": {"card": True}, "_hidden": 1}},
         {"type": "page", "userId": "kim", "anonymousId": "tab", "context": {"page": {"url": "https://tea.test/", "title": "Tea"}}},
         {"type": "group", "userId": "kim", "anonymousId": "tab", "groupId": "g", "traits": {"name": "Red"}})
    delivered(server, 3)
    assert [(stream, client, name) for stream, client, name, _ in analytics.events] == [
        ("G-1", "tab", "purchase"), ("G-1", "tab", "page_view"), ("G-1", "tab", "join_group")]
    purchase = analytics.events[0][3]
    assert (purchase["transaction_id"], purchase["value"], purchase["gift_card"]) == ("o-1", 19, True)
    assert purchase["items"] == [{"item_id": "tea-1", "item_name": "Oolong", "price": 9.5, "quantity": 2, "notes_smell": "flowers"}]
    assert (analytics.dropped, analytics.violations) == ([], [])
    server.assert_conserved()


def test_an_event_that_google_would_drop_without_a_word_is_a_dead_letter(serve, analytics):
    server = started(serve, analytics)
    for number, name in enumerate(("session_start", "ga_visit", "no-dashes", "n" * 41)):
        server.track(name, message_id=f"m-{number}")
    server.wait(lambda: server.destination("ga4")["dead"] == 4, "the dead letters")
    assert analytics.calls == []
    server.assert_conserved()


def test_in_debug_mode_what_the_validation_finds_is_a_dead_letter(serve, analytics):
    server = started(serve, analytics, debugMode=True, apiSecret="of another stream")
    server.track("Tasted", message_id="m-1")
    server.wait(lambda: server.destination("ga4")["dead"] == 1, "the dead letter")
    assert analytics.events == []


def test_in_debug_mode_what_is_right_counts_as_delivered(serve, analytics):
    server = started(serve, analytics, debugMode=True)
    server.track("Tasted", message_id="m-1")
    delivered(server, 1)
    assert [call.path for call in analytics.calls] == ["/debug/mp/collect"] and analytics.events == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_google_cannot_take_now_comes_again(serve, analytics, status):
    analytics.next_answers(Answer(status=status, body=b""))
    server = started(serve, analytics, clock=True)
    server.track("Tasted", message_id="m-1")
    server.wait(lambda: server.destination("ga4")["waiting"] == 1, "the retry to wait")
    server.advance(600_000)
    delivered(server, 1)
    assert len(analytics.calls) == 2


def test_an_app_sends_to_its_own_stream(serve, analytics):
    server = started(serve, analytics, typesOfClient="firebase", firebaseAppId="1:23:android:4f")
    sent(server, {"type": "track", "userId": "kim", "event": "Level Up", "context": {"externalId": [{"type": "ga4AppInstanceId", "id": "inst-1"}]}})
    delivered(server, 1)
    assert [event[:3] for event in analytics.events] == [("1:23:android:4f", "inst-1", "Level_Up")]
    assert analytics.dropped == []
