"""Amplitude as its manual describes it: /2/httpapi and /batch take events or nothing, /groupidentify and /usermap take forms.

It keeps what it took: `events` by insert id (a second one with the same id changes nothing; those without one in `loose`), `users` with their
properties after the operations, `groups` by (type, value), `mappings` as (user, global user or None).
https://amplitude.com/docs/apis/analytics/http-v2, …/batch-event-upload, …/group-identify, …/user-mapping-aliasing
"""
import json

from vendor.base import Vendor

EVENTS_MAX, BYTES_MAX, GROUPS_MAX = 2000, 20_000_000, 1024
INSERT_ID_MAX = 64
ID_LENGTH_MIN = 5  # unless options.min_id_length says otherwise
NOBODY = {"anonymous", "nil", "none", "null", "n/a", "undefined", "unknown", "0", "-1", "true", "false", "[]", "{}", "lmy47d"}
NUMBERS = ("time", "session_id", "price", "quantity", "revenue", "event_id")


def listed(value):
    return value if isinstance(value, list) else [value]


OPERATIONS = {
    "$set": lambda old, value: value,
    "$setOnce": lambda old, value: value if old is None else old,
    "$add": lambda old, value: (old or 0) + value,
    "$append": lambda old, value: [*(old or []), *listed(value)],
    "$prepend": lambda old, value: [*listed(value), *(old or [])],
}


class Amplitude(Vendor):
    HOSTS = ["api2.amplitude.com", "api.eu.amplitude.com"]
    ROUTES = [("POST", r"/2/httpapi", "uploaded"), ("POST", r"/batch", "uploaded"), ("POST", r"/groupidentify", "described"),
              ("POST", r"/usermap", "mapped")]

    def __init__(self, authority, key="key", silenced=()):
        self.key, self.silenced = key, set(silenced)
        self.events, self.loose, self.users, self.groups, self.mappings = {}, [], {}, {}, []
        super().__init__(authority)

    # ---- events ----

    def uploaded(self, call):
        call.check(call.headers.get("content-type", "").startswith("application/json"), "the body is JSON")
        call.require(len(call.body) <= BYTES_MAX, 413, {"code": 413, "error": "Payload too large"})
        body = call.json
        call.require(body.get("api_key") == self.key, 400, {"code": 400, "error": f"Invalid API key: {body.get('api_key')}"})
        events = body.get("events")
        call.require(isinstance(events, list) and 0 < len(events) <= EVENTS_MAX, 400, {"code": 400, "error": "Request missing required field", "missing_field": "events"})
        faults = self._faults(events, (body.get("options") or {}).get("min_id_length", ID_LENGTH_MIN))
        call.require(not faults, 400, {"code": 400, "error": "Request has invalid events", **faults})
        for event in events:
            self._take(event)
        return 200, {"code": 200, "events_ingested": len(events), "payload_size_bytes": len(call.body), "server_upload_time": 1786060800000}

    def _faults(self, events, id_length):
        """{list of the answer: {field: indexes}}, as a 400 has them."""
        faults = {}
        for at, event in enumerate(events):
            for name, field in self._fault(event, id_length):
                faults.setdefault(name, {}).setdefault(field, []).append(at)
        silent = [at for at, event in enumerate(events) if event.get("device_id") in self.silenced]
        return {**faults, **({"silenced_events": silent, "silenced_devices": sorted(self.silenced)} if silent else {})}

    def _fault(self, event, id_length):
        ids = {name: event[name] for name in ("user_id", "device_id") if event.get(name) is not None}
        if not event.get("event_type"):
            yield "events_with_missing_fields", "event_type"
        if not ids:
            yield "events_with_missing_fields", "user_id"
        for name, value in ids.items():
            if not isinstance(value, str) or value.lower() in NOBODY:
                yield "events_with_invalid_fields", name
            elif len(value) < id_length:
                yield "events_with_invalid_id_lengths", name
        for name in NUMBERS:
            if name in event and (isinstance(event[name], bool) or not isinstance(event[name], (int, float))):
                yield "events_with_invalid_fields", name
        if len(event.get("insert_id", "")) > INSERT_ID_MAX:
            yield "events_with_invalid_fields", "insert_id"

    def _take(self, event):
        insert_id = event.get("insert_id")
        if insert_id in self.events:
            return
        if insert_id:
            self.events[insert_id] = event
        else:
            self.loose.append(event)
        profile = self.users.setdefault(event.get("user_id") or event.get("device_id"), {})
        for name, value in (event.get("user_properties") or {}).items():
            if name == "$unset":
                for key in value:
                    profile.pop(key, None)
            elif name in OPERATIONS:
                profile.update({key: OPERATIONS[name](profile.get(key), item) for key, item in value.items()})
            else:
                profile[name] = value

    # ---- forms ----

    def _rows(self, call, name):
        call.check(call.headers.get("content-type") == "application/x-www-form-urlencoded", "the body is a form")
        call.require(call.form.get("api_key") == self.key, 400, "invalid_api_key")
        rows = listed(json.loads(call.form.get(name, "[]")))
        call.require(rows and all(isinstance(row, dict) for row in rows), 400, "missing_argument")
        return rows

    def described(self, call):
        rows = self._rows(call, "identification")
        call.require(len(rows) <= GROUPS_MAX, 413, "payload too large")
        for row in rows:
            call.require(row.get("group_type") and row.get("group_value"), 400, "missing group_type or group_value")
            self.groups.setdefault((row["group_type"], row["group_value"]), {}).update(row.get("group_properties") or {})
        return 200, b"success"

    def mapped(self, call):
        for row in self._rows(call, "mapping"):
            call.require(row.get("user_id") and (row.get("unmap") or row.get("global_user_id")), 400, "missing_argument")
            self.mappings.append((row["user_id"], None if row.get("unmap") else row["global_user_id"]))
        return 200, b"success"
