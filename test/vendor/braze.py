"""Braze as its manual describes it: profiles with attributes, events and purchases; aliases that are joined and users that are merged;
subscription groups; the export of profiles.

It keeps `profiles` by name ("id:…", "alias:label:name", "email:…", "phone:…"), each {attributes, events, purchases}, `subscriptions` by
(group, identifier), and `joined` and `merged` as pairs. https://www.braze.com/docs/api/home/
"""
import re

from vendor.base import Vendor

TRACK_MAX, MANY_MAX, QUANTITY_MAX, NAME_MAX, BODY_MAX = 75, 50, 100, 255, 4_000_000
EXPORTED = {"created_at", "custom_attributes", "dob", "email", "first_name", "gender", "home_city", "last_name", "phone", "time_zone",
            "external_id", "user_aliases", "country", "language"}
PROFILE = ("dob", "email", "first_name", "gender", "home_city", "last_name", "phone", "time_zone", "country", "language")
WHO = ("external_id", "user_alias", "braze_id", "email", "phone")
FLAGS = ("_update_existing_only", "_merge_objects")
GENDERS = ("M", "F", "O", "N", "P", None)
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)"
IDENTITY = "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
NOTHING = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."


def name_of(item):
    """The profile that an object means; "" when it does not say."""
    alias = item.get("user_alias")
    if item.get("external_id"):
        return f"id:{item['external_id']}"
    if isinstance(alias, dict) and alias.get("alias_name") and alias.get("alias_label"):
        return f"alias:{alias['alias_label']}:{alias['alias_name']}"
    return next((f"{key}:{item[key]}" for key in ("email", "phone") if item.get(key)), "")


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def attribute_fault(item):
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", item.get("email") or "a@b.c"):
        return "The value provided for the 'email' field is not a valid email."
    return None if item.get("gender") in GENDERS else "'gender' is not valid"


def event_fault(item):
    if not isinstance(item.get("name"), str) or not 0 < len(item["name"]) <= NAME_MAX:
        return "'name' is required"
    if {"time", "event_name"} & set(item.get("properties", {})):
        return "'properties' has reserved keys"
    return None if re.fullmatch(TIME, str(item.get("time"))) else "'time' is not a valid date"


def purchase_fault(item):
    if not isinstance(item.get("product_id"), str) or not 0 < len(item["product_id"]) <= NAME_MAX:
        return "'product_id' is required"
    if not is_number(item.get("price")) or not re.fullmatch("[A-Z]{3}", str(item.get("currency"))):
        return "'price' and 'currency' are required"
    quantity = item.get("quantity", 1)
    if not isinstance(quantity, int) or not 0 < quantity <= QUANTITY_MAX:
        return "'quantity' is not valid"
    return None if re.fullmatch(TIME, str(item.get("time"))) else "'time' is not a valid date"


FAULTS = {"attributes": attribute_fault, "events": event_fault, "purchases": purchase_fault}


class Braze(Vendor):
    HOSTS = ["rest.iad-03.braze.com", "rest.fra-01.braze.eu"]
    ROUTES = [("POST", "/users/track", "tracked"), ("POST", "/users/identify", "identified"), ("POST", "/users/merge", "merging"),
              ("POST", "/users/export/ids", "exported"), ("POST", "/v2/subscription/status/set", "subscribed")]

    def __init__(self, authority, key="key"):
        self.key = key
        self.profiles, self.subscriptions, self.joined, self.merged = {}, {}, [], []
        super().__init__(authority)

    def profile(self, name):
        return self.profiles.setdefault(name, {"attributes": {}, "events": [], "purchases": []})

    def _open(self, call):
        call.require(call.headers.get("authorization") == f"Bearer {self.key}", 401, {"message": "Invalid API Key"})
        call.require(len(call.body) <= BODY_MAX, 413, {"message": "Request Entity Too Large"})
        call.check(call.headers.get("content-type", "").startswith("application/json"), "the body is JSON")
        return call.json

    # ---- /users/track ----

    def tracked(self, call):
        body = self._open(call)
        call.check(set(body) <= {"attributes", "events", "purchases", "partner"}, "users/track has three arrays and a partner")
        items = [(array, at, item) for array in FAULTS for at, item in enumerate(body.get(array, []))]
        call.require(len(items) <= TRACK_MAX, 400, {"message": "Max Input Length Exceeded", "errors": []})
        faults = {(array, at): self._fault(call, array, item) for array, at, item in items}
        errors = [{"type": fault, "input_array": array, "index": at} for (array, at), fault in faults.items() if fault]
        call.require(len(errors) < len(items), 400, {"message": NOTHING, "errors": errors})
        for array, at, item in items:
            if not faults[array, at]:
                self._keep(array, item)
        done = {f"{array}_processed": sum(1 for name, at, _ in items if name == array and not faults[name, at]) for array in FAULTS}
        return 201, {"message": "success", **{key: count for key, count in done.items() if count}, **({"errors": errors} if errors else {})}

    def _fault(self, call, array, item):
        name = name_of(item)
        if name.startswith("alias:") and name not in self.profiles:
            call.check(item.get("_update_existing_only") is False, "an alias-only profile is made with _update_existing_only false")
        return FAULTS[array](item) if name else IDENTITY

    def _keep(self, array, item):
        profile = self.profile(name_of(item))
        if array != "attributes":
            profile[array].append({key: value for key, value in item.items() if key not in (*WHO, *FLAGS)})
            return
        for key, value in item.items():
            if key in ("external_id", "user_alias", *FLAGS):
                continue
            if value is None:
                profile["attributes"].pop(key, None)
            else:
                profile["attributes"][key] = value

    # ---- users ----

    def identified(self, call):
        body = self._open(call)
        pairs = body["aliases_to_identify"]
        call.require(0 < len(pairs) <= MANY_MAX, 400, {"message": "The max number of aliases per request was exceeded"})
        call.check(body.get("merge_behavior") in ("none", "merge"), "merge_behavior is none or merge")
        for pair in pairs:
            target = self.profile(name_of({"external_id": pair["external_id"]}))
            alias = name_of({"user_alias": pair["user_alias"]})
            self.joined.append((pair["external_id"], pair["user_alias"]["alias_name"]))
            self._absorb(target, self.profiles.pop(alias, None))
        return 201, {"message": "success", "aliases_processed": len(pairs)}

    def merging(self, call):
        updates = self._open(call)["merge_updates"]
        call.require(len(updates) <= MANY_MAX, 400, {"message": "a single request may not contain more than 50 merge updates"})
        for update in updates:
            call.require(set(update) == {"identifier_to_merge", "identifier_to_keep"}, 400,
                         {"message": "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'"})
        users = [name_of(one) for update in updates for one in update.values()]
        call.check(len(set(users)) == len(users), "merges of a request have no order: nobody is in two")
        for update in updates:
            self.merged.append((update["identifier_to_merge"]["external_id"], update["identifier_to_keep"]["external_id"]))
            self._absorb(self.profile(name_of(update["identifier_to_keep"])), self.profiles.pop(name_of(update["identifier_to_merge"]), None))
        return 202, {"message": "success"}

    @staticmethod
    def _absorb(target, source):
        if source:
            target["attributes"] = {**source["attributes"], **target["attributes"]}
            target["events"] += source["events"]
            target["purchases"] += source["purchases"]

    def exported(self, call):
        body = self._open(call)
        call.check(set(body["fields_to_export"]) <= EXPORTED, "fields_to_export are fields of a profile")
        wanted = [{"external_id": one} for one in body.get("external_ids", [])] + [{"user_alias": one} for one in body.get("user_aliases", [])]
        call.require(0 < len(wanted) <= MANY_MAX, 400, {"message": "The max number of ids per request was exceeded"})
        users = [self._shown(one, body["fields_to_export"]) for one in wanted if name_of(one) in self.profiles]
        return 200, {"message": "success", "users": users}

    def _shown(self, who, fields):
        attributes = self.profiles[name_of(who)]["attributes"]
        custom = {key: value for key, value in attributes.items() if key not in PROFILE}
        own = {key: attributes[key] for key in PROFILE if key in attributes and key in fields}
        identity = {"user_aliases": [who["user_alias"]]} if "user_alias" in who else who
        return {**identity, **own, "custom_attributes": custom}

    # ---- subscription groups ----

    def subscribed(self, call):
        entries = self._open(call)["subscription_groups"]
        users = set()
        for entry in entries:
            lists = {key: entry.get(key, []) for key in ("external_ids", "emails", "phones")}
            call.require(entry.get("subscription_state") in ("subscribed", "unsubscribed"), 400, {"message": "'subscription_state' is not valid"})
            call.require(any(lists.values()), 400, {"message": "'external_ids', 'emails' or 'phones' is required"})
            call.require(not (lists["emails"] and lists["phones"]), 400, {"message": "emails and phones cannot be given together"})
            call.require(all(len(one) <= MANY_MAX for one in lists.values()), 400, {"message": "too many users"})
            for identifier in [one for each in lists.values() for one in each]:
                call.check((entry["subscription_group_id"], identifier) not in users, "a user is once in a group's entries")
                users.add((entry["subscription_group_id"], identifier))
                self.subscriptions[entry["subscription_group_id"], identifier] = entry["subscription_state"]
        return 201, {"message": "success"}
