"""Meta's Conversions API as its manual describes it: the events edge of a pixel, all or nothing a request.

It keeps `events` by (event_name, event_id), as Meta tells repetitions apart, and `tests` by their code. One bad event has the whole request
refused. https://developers.facebook.com/docs/marketing-api/conversions-api
"""
import json
import re
import time

from vendor.base import Vendor

VERSION = "v25.0"
EVENTS_MAX = 1000
DAY_S = 86_400
HASH = re.compile(r"[0-9a-f]{64}")
HASHED = ("external_id", "em", "ph", "ge", "db", "ln", "fn", "ct", "st", "zp", "country")
PLAIN = ("client_ip_address", "client_user_agent", "fbc", "fbp", "subscription_id", "fb_login_id", "lead_id")
SOURCES = ("email", "website", "app", "phone_call", "chat", "physical_store", "system_generated", "business_messaging", "other")
# must be a hash although Meta takes an external_id that is none
CONTACT = set(HASHED) - {"external_id"}


def fault(code, message, subcode=None, **more):
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "trace", **more}
    return {"error": {**error, "error_subcode": subcode} if subcode else error}


def invalid(subcode, message):
    return fault(100, "Invalid parameter", subcode, is_transient=False, error_user_title="Refused", error_user_msg=message)


class FacebookPixel(Vendor):
    HOSTS = ["graph.facebook.com"]
    ROUTES = [("POST", rf"/{VERSION}/(?P<pixel>[^/]+)/events", "put_events")]

    def __init__(self, authority, token="token", pixel="1234", now=time.time):
        self.token, self.pixel, self.now = token, pixel, now
        self.events, self.tests, self.refused = {}, {}, 0
        super().__init__(authority)

    def put_events(self, call):
        call.require(call.query.get("access_token") == self.token, 400, fault(190, "Invalid OAuth access token - Cannot parse access token"))
        call.require(call.groups["pixel"] == self.pixel, 400, fault(100, f"Object with ID '{call.groups['pixel']}' does not exist", 33))
        call.check(call.headers.get("content-type") == "application/x-www-form-urlencoded", "the body is a form")
        events = json.loads(call.form.get("data", "null"))
        call.require(call.check(isinstance(events, list) and events, "data is an array of events"), 400, fault(100, "(#100) param data"))
        call.require(len(events) <= EVENTS_MAX, 400, fault(105, "The number of parameters exceeded the maximum for this operation"))
        for event in events:
            problem = self._problem(call, event)
            self.refused += problem is not None
            call.require(problem is None, 400, problem)
        code = call.form.get("test_event_code")
        for event in events:
            if code:
                self.tests.setdefault(code, []).append(event)
            else:
                self.events.setdefault((event["event_name"], event.get("event_id")), event)
        return 200, {"events_received": len(events), "messages": [], "fbtrace_id": "trace"}

    def _problem(self, call, event):
        """Why Meta refuses the event; None: it is taken. What it never should see is checked besides."""
        for key, kind in (("event_name", str), ("event_time", int), ("user_data", dict), ("action_source", str)):
            if not call.check(isinstance(event.get(key), kind), f"{key}: {kind.__name__}"):
                return invalid(2804008, f"{key} is required")
        source, age = event["action_source"], self.now() - event["event_time"]
        if source not in SOURCES:
            return invalid(2804017, "action_source is not known")
        if age > (62 if source == "physical_store" else 7) * DAY_S:
            return invalid(2804003, "The timestamp for this event is too far in the past")
        if age < -60:
            return invalid(2804004, "The timestamp for this event is in the future")
        if source == "app" and len(event.get("app_data", {}).get("extinfo", [])) != 16:
            return invalid(2804066, "App events need extinfo")
        return self._problem_of_user(call, event["user_data"]) or self._problem_of_data(call, event)

    @staticmethod
    def _problem_of_user(call, user):
        call.check(set(user) <= {*HASHED, *PLAIN}, f"what is known of people: {sorted(user)}")
        call.check(all(HASH.fullmatch(value) for key, value in user.items() if key in CONTACT), "contact information is hashed")
        return None if user else invalid(2804050, "The event needs customer information")

    @staticmethod
    def _problem_of_data(call, event):
        data = event.get("custom_data", {})
        call.check(isinstance(data, dict), "custom_data is an object")
        call.check(not {"email", "phone", "firstName", "lastName"} & set(data), "custom_data does not name people")
        for content in data.get("contents", []):
            call.check("id" in content and content.get("quantity", 1) > 0, "contents have id and quantity")
        if event["event_name"] == "Purchase" and not isinstance(data.get("value"), (int, float)):
            return invalid(2804009, "Your purchase event doesn't include a value parameter")
        if "currency" in data and not re.fullmatch(r"[A-Z]{3}", str(data["currency"])):
            return invalid(2804010, "The currency is not an ISO 4217 code")
        return None
