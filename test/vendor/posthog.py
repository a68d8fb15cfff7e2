"""PostHog as its manual describes it: /batch takes events of any number up to 20 MB; what has no name or nobody is dropped with a 200.

It keeps `events` (those that are ingested), `dropped`, `persons` by distinct id with what $set said, `groups` by (type, key), and `joined` as pairs.
https://posthog.com/docs/api/capture
"""
import datetime

from vendor.base import Vendor

BODY_MAX, EVENT_MAX = 20_000_000, 1_000_000
OK = {"status": "Ok"}


def is_time(value):
    try:
        datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return False
    return True


class PostHog(Vendor):
    HOSTS = ["app.posthog.com", "eu.i.posthog.com"]
    ROUTES = [("POST", "/batch/?", "batched")]

    def __init__(self, authority, key="phc_1"):
        self.key = key
        self.events, self.dropped, self.persons, self.groups, self.joined = [], [], {}, {}, []
        super().__init__(authority)

    def batched(self, call):
        call.require(len(call.body) <= BODY_MAX, 413, {"type": "validation_error", "code": "payload_too_large"})
        body = call.json
        call.require(body.get("api_key") == self.key, 401, {"type": "authentication_error", "code": "invalid_api_key"})
        call.require(isinstance(body.get("batch"), list) and body["batch"], 400, {"type": "validation_error", "code": "invalid_payload"})
        call.check(call.headers.get("content-type", "").startswith("application/json"), "the body is JSON")
        for event in body["batch"]:
            self._take(call, event)
        return 200, OK

    def _take(self, call, event):
        properties = event.get("properties", {})
        who = event.get("distinct_id") or properties.get("distinct_id")
        if not event.get("event") or not who:
            self.dropped.append(event)
            return
        call.check("api_key" not in event, "the key is the batch's")
        call.check(isinstance(who, str) and len(who) <= 200, "a distinct id is a text of at most 200 characters")
        call.check(is_time(event.get("timestamp")), "a timestamp is ISO 8601")
        self.events.append(event)
        self.persons.setdefault(who, {}).update(properties.get("$set", {}))
        if event["event"] == "$create_alias":
            call.check(bool(properties.get("alias")), "an alias has the other id")
            self.joined.append((who, properties.get("alias")))
        if event["event"] == "$groupidentify" and "$group_type" in properties:
            self.groups.setdefault((properties["$group_type"], properties["$group_key"]), {}).update(properties.get("$group_set", {}))
