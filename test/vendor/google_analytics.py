"""Google Analytics 4 as the manual of its Measurement Protocol describes it: /mp/collect says 204 to everything and drops what is wrong,
/debug/mp/collect says what is wrong and records nothing.

It keeps what it would process: `events` as (stream, client or instance, name, parameters), `dropped` with the rule that was broken.
https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference, …/validating-events
"""
import re

from vendor.base import Vendor

EVENTS_MAX, BYTES_MAX = 25, 130_000
RESERVED_EVENTS = {"ad_click", "app_remove", "app_update", "error", "first_open", "first_visit", "in_app_purchase", "os_update", "screen_view", "session_start",
                   "user_engagement"}
RESERVED_PREFIX = ("_", "firebase_", "ga_", "google_", "gtag.")
RESERVED_USER = {"first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id", "first_open_after_install"}
CONSENTS = {"ad_user_data", "ad_personalization"}


class GoogleAnalytics(Vendor):
    HOSTS = ["www.google-analytics.com"]
    ROUTES = [("POST", r"/mp/collect", "collected"), ("POST", r"/debug/mp/collect", "debugged")]

    def __init__(self, authority, secret="secret"):
        self.secret = secret
        self.events, self.dropped = [], []
        super().__init__(authority)

    def collected(self, call):
        faults = self._faults(call)
        if faults:
            self.dropped.append(faults)
        else:
            stream = call.query.get("measurement_id") or call.query.get("firebase_app_id")
            client = call.json.get("client_id") or call.json.get("app_instance_id")
            self.events += [(stream, client, event["name"], event.get("params", {})) for event in call.json["events"]]
        return 204, b""

    def debugged(self, call):
        return 200, {"validationMessages": [{"fieldPath": path, "description": text, "validationCode": "VALUE_INVALID"} for path, text in self._faults(call)]}

    def _faults(self, call):
        """[(path, what is wrong)]"""
        body = call.json
        app = "firebase_app_id" in call.query
        faults = [("api_secret", "unknown")] if call.query.get("api_secret") != self.secret else []
        faults += [] if len(call.body) <= BYTES_MAX else [("", "the body is too large")]
        faults += [] if app or call.query.get("measurement_id") else [("measurement_id", "missing")]
        identity = "app_instance_id" if app else "client_id"
        faults += [] if isinstance(body.get(identity), str) and body[identity] else [(identity, "missing")]
        faults += [] if isinstance(body.get("user_id", ""), str) else [("user_id", "is a text")]
        faults += [] if isinstance(body.get("timestamp_micros", 0), int) else [("timestamp_micros", "is a whole number")]
        faults += [("consent", f"{name}: {value}") for name, value in body.get("consent", {}).items() if name not in CONSENTS or value not in ("GRANTED", "DENIED")]
        faults += [("user_properties", name) for name, item in body.get("user_properties", {}).items() if not self._is_user_property(name, item)]
        events = body.get("events", [])
        faults += [] if 0 < len(events) <= EVENTS_MAX else [("events", f"1 to {EVENTS_MAX}")]
        return faults + [fault for event in events for fault in self._event_faults(event)]

    @staticmethod
    def _is_user_property(name, item):
        value = item.get("value") if isinstance(item, dict) and set(item) <= {"value", "timestamp_micros"} else None
        fits = isinstance(value, (int, float, bool)) or (isinstance(value, str) and len(value) <= 36)
        return fits and re.fullmatch(r"[A-Za-z]\w{0,23}", name) and name not in RESERVED_USER and not name.startswith(RESERVED_PREFIX)

    @staticmethod
    def _event_faults(event):
        name, params = event.get("name", ""), event.get("params", {})
        if not re.fullmatch(r"[^\W\d_]\w{0,39}", name) or name in RESERVED_EVENTS or name.startswith(RESERVED_PREFIX):
            yield "events.name", name
        for key, value in params.items():
            if key.startswith(RESERVED_PREFIX):
                yield "events.params", f"{key} is reserved"
            if key != "items" and isinstance(value, (dict, list)):
                yield "events.params", f"{key} is not flat"
        for item in params.get("items", []):
            if "item_id" not in item and "item_name" not in item:
                yield "events.params.items", "item_id or item_name"
            if any(isinstance(item.get(key, 0), str) for key in ("price", "quantity", "index")):
                yield "events.params.items", "prices and quantities are numbers"
