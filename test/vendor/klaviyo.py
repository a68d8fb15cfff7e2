"""Klaviyo as its manual describes it, in the three revisions that we speak: profiles, events, list subscriptions and their errors.

It keeps `profiles` by id, `events` by unique id (a second one with the same id changes nothing; the oldest revision has none), and `lists`:
{list: {address: channels}}. https://developers.klaviyo.com/en/reference/api_overview
"""
import re

from vendor.base import Vendor

REVISIONS = {"2023-02-22", "2024-10-15", "2026-04-15"}
OLDEST = "2023-02-22"
SUBSCRIBE_MAX = {"2023-02-22": 100, "2024-10-15": 1000, "2026-04-15": 1000}
UNSUBSCRIBE_MAX = 100
METRIC_MAX = 127
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
PHONE = re.compile(r"\+[1-9]\d{6,14}")
IDENTIFIERS = ("email", "phone_number", "external_id", "anonymous_id")
ATTRIBUTES = {*IDENTIFIERS, "first_name", "last_name", "organization", "title", "image", "locale", "location", "properties"}
LOCATION = {"address1", "address2", "city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip"}
ADDRESSES = {"email": "email", "sms": "phone_number"}


def error(code, detail, pointer="/data", **more):
    return {"id": "e-1", "status": 400, "code": code, "title": "Invalid input.", "detail": detail, "source": {"pointer": pointer}, **more}


def address_faults(attributes, pointer):
    """What is wrong with the addresses of a profile."""
    email, phone = attributes.get("email"), attributes.get("phone_number")
    if email is not None and not (isinstance(email, str) and EMAIL.fullmatch(email)):
        yield error("invalid", "Invalid email address", f"{pointer}/email")
    if phone is not None and not (isinstance(phone, str) and PHONE.fullmatch(re.sub(r"[\s().-]", "", phone))):
        yield error("invalid", "Invalid phone number format (Example of a valid format: +12345678901)", f"{pointer}/phone_number")


class Klaviyo(Vendor):
    HOSTS = ["a.klaviyo.com"]
    ROUTES = [
        ("POST", r"/api/profile-import", "upsert"),
        ("POST", r"/api/profiles", "create"),
        ("PATCH", r"/api/profiles/(?P<id>[^/]+)", "update"),
        ("POST", r"/api/events", "event"),
        ("POST", r"/api/profile-subscription-bulk-create-jobs", "subscribe"),
        ("POST", r"/api/profile-subscription-bulk-delete-jobs", "unsubscribe"),
    ]

    def __init__(self, authority, key="key"):
        self.key = key
        self.profiles, self.events, self.lists = {}, {}, {}
        super().__init__(authority)

    # ---- what every call has ----

    def _open(self, call, kind):
        """(revision, data) of a call whose head is right."""
        call.require(call.headers.get("authorization") == f"Klaviyo-API-Key {self.key}", 401,
                     {"errors": [{"code": "not_authenticated", "title": "Authentication credentials were not provided."}]})
        revision = call.headers.get("revision")
        call.check(revision in REVISIONS, "the revision header is a revision")
        call.check(call.headers.get("content-type", "").startswith("application/json"), "the body is JSON")
        data = call.json.get("data") if isinstance(call.json, dict) else None
        self._must(call, isinstance(data, dict) and data.get("type") == kind, f"data.type is {kind}")
        return revision, data

    def _must(self, call, holds, rule, pointer="/data"):
        """A rule that our code is to keep: broken is a violation, and refused as the vendor would."""
        call.require(call.check(holds, rule), 400, {"errors": [error("invalid", rule, pointer)]})

    @staticmethod
    def _refuse(call, faults):
        faults = list(faults)
        call.require(not faults, 400, {"errors": faults})

    # ---- profiles ----

    def _find(self, attributes):
        for key in IDENTIFIERS:
            for id_, profile in self.profiles.items():
                if attributes.get(key) and profile.get(key) == attributes[key]:
                    return id_
        return None

    def _store(self, id_, attributes, patch):
        profile = self.profiles.setdefault(id_, {"properties": {}})
        profile.update({key: value for key, value in attributes.items() if key != "properties"})
        properties = profile["properties"]
        properties.update(attributes.get("properties", {}))
        for key, value in patch.get("append", {}).items():
            properties[key] = [*properties.get(key, []), value]
        for key, value in patch.get("unappend", {}).items():
            properties[key] = [each for each in properties.get(key, []) if each != value]
        for key in patch.get("unset", []):
            properties.pop(key, None)

    def _check_profile(self, call, attributes, pointer):
        call.check(set(attributes) <= ATTRIBUTES, f"{pointer} has known attributes: {sorted(set(attributes) - ATTRIBUTES)}")
        call.check(set(attributes.get("location", {})) <= LOCATION, "location has known members")
        self._refuse(call, address_faults(attributes, pointer))

    def upsert(self, call):
        revision, data = self._open(call, "profile")
        attributes = data.get("attributes", {})
        self._must(call, revision != OLDEST, "the oldest revision has no upsert")
        self._must(call, bool(data.get("id")) or any(attributes.get(key) for key in IDENTIFIERS), "a profile has an identifier")
        self._check_profile(call, attributes, "/data/attributes")
        found = data.get("id") or self._find(attributes)
        id_ = found or f"01P{len(self.profiles)}"
        self._store(id_, attributes, data.get("meta", {}).get("patch_properties", {}))
        return (200 if found else 201), {"data": {"type": "profile", "id": id_}}

    def create(self, call):
        _, data = self._open(call, "profile")
        attributes = data.get("attributes", {})
        self._check_profile(call, attributes, "/data/attributes")
        found = self._find(attributes)
        call.require(found is None, 409, {"errors": [error("duplicate_profile", "A profile already exists with one of these identifiers.",
                                                          status=409, meta={"duplicate_profile_id": found})]})
        id_ = f"01P{len(self.profiles)}"
        self._store(id_, attributes, {})
        return 201, {"data": {"type": "profile", "id": id_}}

    def update(self, call):
        _, data = self._open(call, "profile")
        id_ = call.groups["id"]
        self._must(call, data.get("id") == id_, "data.id is the id in the path")
        call.require(id_ in self.profiles, 404, {"errors": [error("not_found", f"A profile with id {id_} does not exist.")]})
        self._check_profile(call, data.get("attributes", {}), "/data/attributes")
        self._store(id_, data.get("attributes", {}), data.get("meta", {}).get("patch_properties", {}))
        return 200, {"data": {"type": "profile", "id": id_}}

    # ---- events ----

    def event(self, call):
        revision, data = self._open(call, "event")
        attributes = data.get("attributes", {})
        if revision == OLDEST:
            metric, profile = attributes.get("metric", {}).get("name"), attributes.get("profile", {})
            known = any(profile.get(key) for key in ("$email", "$phone_number", "$id"))
        else:
            metric = attributes.get("metric", {}).get("data", {}).get("attributes", {}).get("name")
            inner = attributes.get("profile", {}).get("data", {})
            profile = inner.get("attributes", {})
            known = bool(inner.get("id")) or any(profile.get(key) for key in IDENTIFIERS)
            self._refuse(call, address_faults(profile, "/data/attributes/profile/data/attributes"))
        self._must(call, isinstance(metric, str) and 0 < len(metric) <= METRIC_MAX, "a metric has a name of fewer than 128 characters")
        self._must(call, known, "an event has a profile with an identifier")
        self._must(call, isinstance(attributes.get("properties"), dict), "an event has properties")
        self._must(call, isinstance(attributes.get("value", 0), (int, float)), "value is a number")
        self.events.setdefault(attributes.get("unique_id", len(self.events)), (metric, attributes))
        return 202, b""

    # ---- subscriptions ----

    def subscribe(self, call):
        revision, data = self._open(call, "profile-subscription-bulk-create-job")
        list_id, profiles = self._job(call, revision, data, SUBSCRIBE_MAX[revision])
        for attributes in profiles:
            channels = self._channels(call, revision, attributes, "SUBSCRIBED")
            self.lists.setdefault(list_id, {})[attributes.get("email") or attributes["phone_number"]] = channels
        return 202, b""

    def unsubscribe(self, call):
        revision, data = self._open(call, "profile-subscription-bulk-delete-job")
        self._must(call, revision != OLDEST, "we do not unsubscribe in the oldest revision")
        list_id, profiles = self._job(call, revision, data, UNSUBSCRIBE_MAX)
        for attributes in profiles:
            gone = self._channels(call, revision, attributes, "UNSUBSCRIBED")
            address = attributes.get("email") or attributes["phone_number"]
            left = self.lists.setdefault(list_id, {}).pop(address, set()) - gone
            if left:
                self.lists[list_id][address] = left
        return 202, b""

    def _job(self, call, revision, data, most):
        """(list, attributes of each profile) of a job; one bad profile refuses it as a whole."""
        attributes = data.get("attributes", {})
        if revision == OLDEST:
            list_id, profiles, pointer = attributes.get("list_id"), attributes.get("subscriptions", []), "/data/attributes/subscriptions/{}"
        else:
            list_id = data.get("relationships", {}).get("list", {}).get("data", {}).get("id")
            each = attributes.get("profiles", {}).get("data", [])
            self._must(call, all(one.get("type") == "profile" for one in each), "each is a profile")
            profiles, pointer = [one.get("attributes", {}) for one in each], "/data/attributes/profiles/data/{}/attributes"
        self._must(call, bool(list_id), "a job has a list")
        self._must(call, 0 < len(profiles) <= most, f"a job has 1 to {most} profiles")
        self._must(call, all(one.get("email") or one.get("phone_number") for one in profiles), "each has an e-mail address or a phone number")
        self._refuse(call, [fault for at, one in enumerate(profiles) for fault in address_faults(one, pointer.format(at))])
        return list_id, profiles

    def _channels(self, call, revision, attributes, word):
        """The channels that a profile names; without any, those that it has an address for."""
        named = attributes.get("channels") if revision == OLDEST else attributes.get("subscriptions")
        self._must(call, bool(named) or revision != "2026-04-15", "since 2026-04-15 channels are named")
        for channel, consent in (named or {}).items():
            self._must(call, bool(attributes.get(ADDRESSES.get(channel))), f"{channel} has the address that it needs")
            right = consent == ["MARKETING"] if revision == OLDEST else consent == {"marketing": {"consent": word}}
            self._must(call, right, f"the consent of {channel} is well formed")
        return set(named) if named else {channel for channel, key in ADDRESSES.items() if attributes.get(key)}
