"""Segment's HTTP API as its manual describes it: /v1/batch takes up to 500 KB of events of up to 32 KB each, and answers 400 to what is larger
or no JSON; everything else gets 200, also under a key that nobody has.

It keeps `events` (those under its own key) and `strays` (those under another).
https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""
import base64
import json

from vendor.base import Vendor

BODY_MAX, EVENT_MAX, EVENTS_MAX = 500_000, 32_000, 2_500
NEEDS = {"identify": (), "track": ("event",), "page": (), "screen": (), "group": ("groupId",), "alias": ("previousId",)}


class Segment(Vendor):
    HOSTS = ["api.segment.io"]
    ROUTES = [("POST", "/v1/batch", "batched")]

    def __init__(self, authority, key="sk_1"):
        self.authorization = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        self.events, self.strays = [], []
        super().__init__(authority)

    def batched(self, call):
        call.check(call.headers.get("content-type", "").startswith("application/json"), "the body is JSON")
        call.check(call.headers.get("authorization", "").startswith("Basic "), "the key is the user of Basic authentication")
        call.require(len(call.body) <= BODY_MAX, 400, {"success": False, "message": "Exceeded the maximum size"})
        events = call.json.get("batch")
        call.check(isinstance(events, list) and 0 < len(events) <= EVENTS_MAX, f"a batch has 1 to {EVENTS_MAX} events")
        call.require(all(len(json.dumps(event)) <= EVENT_MAX for event in events), 400,
                     {"success": False, "message": "Exceeded the maximum size of an event"})
        for event in events:
            self._check(call, event)
        (self.events if call.headers.get("authorization") == self.authorization else self.strays).extend(events)
        return 200, {"success": True}

    def _check(self, call, event):
        kind = event.get("type")
        if call.check(kind in NEEDS, "an event is of one of six types"):
            call.check(all(event.get(name) for name in NEEDS[kind]), f"{kind} has {NEEDS[kind]}")
        call.check(bool(event.get("userId") or event.get("anonymousId")), "an event names a user")
