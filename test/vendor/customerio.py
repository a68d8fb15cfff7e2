"""Customer.io's track API as its manual describes it: version 2's /batch, and of version 1 what single events use.

It keeps `people`, `devices` and `objects` as they stand, `events` as they came, and `merges`. https://docs.customer.io/integrations/api/track/
"""
import base64
import urllib.parse

from vendor.base import Vendor

BATCH_BYTES, OPERATION_BYTES, IDENTIFIER_BYTES, ATTRIBUTES = 500_000, 32_000, 150, 300
PERSON = {"identify", "delete", "event", "page", "screen", "add_device", "delete_device", "merge"}
OBJECT = {"identify", "delete", "add_relationships", "delete_relationships"}
ANONYMOUS = {"event", "page", "screen"}


class Fault(Exception):
    """An operation that is refused: the field and why."""


class CustomerIo(Vendor):
    HOSTS = ["track.customer.io", "track-eu.customer.io"]
    ROUTES = [
        ("POST", r"/api/v2/batch", "batch"),
        ("PUT", r"/api/v1/customers/(?P<id>[^/]+)", "person"),
        ("POST", r"/api/v1/customers/(?P<id>[^/]+)/events", "event"),
        ("PUT", r"/api/v1/customers/(?P<id>[^/]+)/devices", "device"),
        ("DELETE", r"/api/v1/customers/(?P<id>[^/]+)/devices/(?P<token>[^/]+)", "device_gone"),
        ("POST", r"/api/v1/events", "anonymous"),
        ("POST", r"/api/v1/merge_customers", "merge"),
    ]

    def __init__(self, authority, site="site", key="key"):
        self.secret = f"{site}:{key}"
        self.people, self.devices, self.objects, self.events, self.merges = {}, {}, {}, [], []
        super().__init__(authority)

    def _signed(self, call):
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        call.require(scheme == "Basic" and base64.b64decode(value).decode() == self.secret, 401, {"meta": {"error": "Unauthorized request"}})

    # ---- version 2 ----

    def batch(self, call):
        self._signed(call)
        call.require(len(call.body) <= BATCH_BYTES, 400, {"errors": [{"reason": "too_large", "message": "the batch is too large"}]})
        operations = call.json.get("batch") if isinstance(call.json, dict) else None
        call.require(isinstance(operations, list) and operations, 400, {"errors": [{"reason": "required", "field": "batch", "message": "is required"}]})
        errors = []
        for at, operation in enumerate(operations):
            try:
                self._apply(operation)
            except Fault as fault:
                field, message = fault.args
                errors.append({"batch_index": at, "reason": "invalid", "field": field, "message": message})
        return (207, {"errors": errors}) if errors else (200, {})

    def _apply(self, operation):
        kind, action = operation.get("type"), operation.get("action")
        if action not in {"person": PERSON, "object": OBJECT}.get(kind, set()):
            raise Fault("action", f"{kind} has no action {action}")
        if len(str(operation)) > OPERATION_BYTES:
            raise Fault("", "is larger than 32 kB")
        if action == "merge":
            self.merges.append((self._who(operation.get("primary")), self._who(operation.get("secondary"))))
        elif kind == "object":
            self._object(action, operation)
        else:
            self._person(action, operation)

    def _who(self, identifiers, also=()):
        for key in ("id", "email", "cio_id", *also):
            value = (identifiers or {}).get(key)
            if value:
                if not isinstance(value, str) or len(value.encode()) > IDENTIFIER_BYTES:
                    raise Fault(f"identifiers.{key}", "is a text of at most 150 bytes")
                return value
        raise Fault("identifiers", "an id, an email or a cio_id is required")

    def _person(self, action, operation):
        who = self._who(operation.get("identifiers"), ("anonymous_id",) if action in ANONYMOUS else ())
        attributes = operation.get("attributes", {})
        if len(attributes) > ATTRIBUTES:
            raise Fault("attributes", "at most 300")
        if action == "identify":
            self.people.setdefault(who, {}).update(attributes)
        elif action == "delete":
            self.people.pop(who, None)
        elif action == "add_device":
            device = operation.get("device", {})
            if not device.get("token") or device.get("platform") not in ("ios", "android"):
                raise Fault("device", "token and platform (ios, android) are required")
            self.devices[device["token"]] = who
        elif action == "delete_device":
            self.devices.pop(operation.get("device", {}).get("token"), None)
        else:
            if not operation.get("name"):
                raise Fault("name", "is required")
            self.events.append((who, action, operation["name"], attributes))

    def _object(self, action, operation):
        identifiers = operation.get("identifiers", {})
        if not isinstance(identifiers.get("object_id"), str) or not isinstance(identifiers.get("object_type_id"), str):
            raise Fault("identifiers", "object_id and object_type_id are texts")
        people = {self._who(each.get("identifiers")) for each in operation.get("cio_relationships", [])}
        entry = self.objects.setdefault(identifiers["object_id"], {"attributes": {}, "people": set()})
        if action == "delete":
            del self.objects[identifiers["object_id"]]
        elif action == "delete_relationships":
            entry["people"] -= people
        else:
            entry["attributes"].update(operation.get("attributes", {}))
            entry["people"] |= people

    # ---- version 1 ----

    def person(self, call):
        self._signed(call)
        self.people.setdefault(urllib.parse.unquote(call.groups["id"]), {}).update(call.json)
        return 200, {}

    def event(self, call):
        self._signed(call)
        call.require(bool(call.json.get("name")), 400, {"meta": {"error": "name cannot be blank"}})
        self.events.append((urllib.parse.unquote(call.groups["id"]), call.json.get("type"), call.json["name"], call.json.get("data", {})))
        return 200, {}

    def anonymous(self, call):
        self._signed(call)
        call.require(bool(call.json.get("anonymous_id")), 400, {"meta": {"error": "anonymous_id cannot be blank"}})
        self.events.append((call.json["anonymous_id"], call.json.get("type"), call.json.get("name"), call.json.get("data", {})))
        return 200, {}

    def device(self, call):
        self._signed(call)
        self.devices[call.json["device"]["id"]] = urllib.parse.unquote(call.groups["id"])
        return 200, {}

    def device_gone(self, call):
        self._signed(call)
        self.devices.pop(urllib.parse.unquote(call.groups["token"]), None)
        return 200, {}

    def merge(self, call):
        self._signed(call)
        self.merges.append((self._who(call.json["primary"]), self._who(call.json["secondary"])))
        return 200, {}
