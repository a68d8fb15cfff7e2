"""Mixpanel as its manual describes it: /import with and without strict mode, /engage and /groups with their errors inside a 200.

It keeps what it took: `events` by insert id (a second one with the same id changes nothing), `profiles` and `groups` with the updates applied,
`merges` as pairs. https://docs.mixpanel.com/reference/import-events, …/profile-set, …/group-set-property
"""
import base64
import re

from vendor.base import Vendor

IMPORT_MAX, ENGAGE_MAX, GROUPS_MAX = 2000, 2000, 200
# https://docs.mixpanel.com/reference/import-events: ids that are no one's
NOBODY = {"anon", "anonymous", "nil", "none", "null", "n/a", "undefined", "unknown", "0", "true", "false", "00000000-0000-0000-0000-000000000000"}
IDENTITY = {"$merge", "$create_alias"}
UPDATES = {"$set", "$set_once", "$union", "$append", "$add"}


def union(old, new):
    return old + [value for value in new if value not in old]


APPLY = {
    "$set": lambda profile, key, value: value,
    "$set_once": lambda profile, key, value: profile.get(key, value),
    "$union": lambda profile, key, value: union(profile.get(key, []), value),
    "$append": lambda profile, key, value: [*profile.get(key, []), value],
    "$add": lambda profile, key, value: profile.get(key, 0) + float(value),
}


class Mixpanel(Vendor):
    HOSTS = ["api.mixpanel.com", "api-eu.mixpanel.com", "api-in.mixpanel.com"]
    ROUTES = [("POST", r"/import/?", "imported"), ("POST", r"/engage/?", "engaged"), ("POST", r"/groups/?", "grouped")]

    def __init__(self, authority, token="token", account=None, project=None):
        self.token, self.account, self.project = token, account, project
        self.events, self.profiles, self.groups, self.merges = {}, {}, {}, []
        super().__init__(authority)

    # ---- /import ----

    def imported(self, call):
        call.require(self._signed(call), 401, {"code": 401, "error": "Invalid credentials", "status": "Unauthorized"})
        call.check(call.query.get("strict") in ("0", "1"), "strict is 0 or 1")
        call.check(call.headers.get("content-type", "").startswith("application/json"), "the body is JSON")
        records = call.json
        call.require(isinstance(records, list) and len(records) <= IMPORT_MAX, 400, {"code": 400, "error": "request exceeded max limit", "status": "Bad Request"})
        failed = [dict(fault, index=at) for at, record in enumerate(records) if (fault := self._fault(record))]
        refused = {fault["index"] for fault in failed}
        for at, record in enumerate(records):
            if at not in refused:
                self._take(record)
        taken = len(records) - len(failed)
        if failed and call.query.get("strict") == "1":
            return 400, {"code": 400, "error": "some data points in the request failed validation", "failed_records": failed,
                         "num_records_imported": taken, "status": "Bad Request"}
        return 200, {"code": 200, "num_records_imported": taken, "status": "OK"}

    def _signed(self, call):
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        user, _, secret = base64.b64decode(value).decode().partition(":") if scheme == "Basic" else ("", "", "")
        if self.account:
            return (user, secret) == self.account and call.query.get("project_id") == self.project
        return (user, secret) == (self.token, "")

    def _fault(self, record):
        properties = record.get("properties")
        if not isinstance(properties, dict) or not isinstance(record.get("event"), str) or not record["event"]:
            return {"field": "event", "message": "event and properties are required"}
        if properties.get("token", self.token) != self.token:
            return {"field": "properties.token", "message": "is of another project"}
        if record["event"] in IDENTITY:
            return None
        if not isinstance(properties.get("time"), (int, float)):
            return {"field": "properties.time", "message": "is required"}
        if not re.fullmatch(r"[A-Za-z0-9-]{1,36}", str(properties.get("$insert_id", ""))):
            return {"field": "properties.$insert_id", "message": "is invalid"}
        if str(properties.get("distinct_id", "")).lower() in NOBODY:
            return {"field": "properties.distinct_id", "message": "is invalid"}
        return None

    def _take(self, record):
        properties = record["properties"]
        if record["event"] == "$merge":
            self.merges.append(tuple(properties["$distinct_ids"]))
        elif record["event"] == "$create_alias":
            self.merges.append((properties["alias"], properties["distinct_id"]))
        else:
            self.events.setdefault(properties["$insert_id"], record)

    # ---- /engage, /groups ----

    def engaged(self, call):
        return self._updated(call, ENGAGE_MAX, self.profiles, lambda record: record.get("$distinct_id"))

    def grouped(self, call):
        return self._updated(call, GROUPS_MAX, self.groups, lambda record: (record.get("$group_key"), record.get("$group_id")))

    def _updated(self, call, most, profiles, key_of):
        records = call.json
        call.require(isinstance(records, list), 400, {"error": "the body is no list", "status": 0})
        call.require(len(records) <= most, 413, {"error": f"at most {most} profiles", "status": 0})
        call.check(call.query.get("verbose") == "2", "without verbose the answer says nothing")
        for record in records:
            key, updates = key_of(record), UPDATES & record.keys()
            if record.get("$token") != self.token:
                return 200, {"error": "token, missing or empty", "status": 0}
            if key in (None, "") or (isinstance(key, tuple) and not all(key)):
                return 200, {"error": "the profile has no id", "status": 0}
            call.check(len(updates) == 1, "a record is one update")
            profile = profiles.setdefault(key, {})
            for update in updates:
                for name, value in record[update].items():
                    profile[name] = APPLY[update](profile, name, value)
        return 200, {"error": None, "status": 1}
