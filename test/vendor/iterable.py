"""Iterable as its manual describes it: users and events one by one and in bulk, carts, purchases, push tokens and catalogs.

It keeps `users` by user id or e-mail address, `events` as (user, name, event), `carts`, `purchases` by id, `tokens` {token: (user, platform)}
and `catalogs`. A bulk answer is a 200 that lists what was not taken. https://api.iterable.com/api/docs
"""
import re

from vendor.base import Vendor

BULK_MAX, BULK_BYTES = 1000, 4_000_000
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
SUCCESS = {"msg": "Success", "code": "Success", "params": None}


def fault(code, msg, **params):
    return {"msg": msg, "code": code, "params": params or None}


class Iterable(Vendor):
    HOSTS = ["api.iterable.com", "api.eu.iterable.com"]
    ROUTES = [
        ("POST", r"/api/users/update", "update_user"),
        ("POST", r"/api/users/bulkUpdate", "update_users"),
        ("POST", r"/api/users/updateEmail", "update_email"),
        ("POST", r"/api/users/register(?P<kind>Device|Browser)Token", "register"),
        ("POST", r"/api/events/track", "track"),
        ("POST", r"/api/events/trackBulk", "track_bulk"),
        ("POST", r"/api/commerce/updateCart", "update_cart"),
        ("POST", r"/api/commerce/trackPurchase", "track_purchase"),
        ("POST", r"/api/catalogs/(?P<name>[^/]+)/items", "put_items"),
    ]

    def __init__(self, authority, key="key", mobile_key="mobile", catalogs=(), disallowed=(), forgotten=()):
        self.key, self.mobile_key = key, mobile_key
        self.disallowed, self.forgotten = set(disallowed), set(forgotten)
        self.users, self.events, self.carts, self.purchases, self.tokens = {}, [], {}, {}, {}
        self.catalogs = {name: {} for name in catalogs}
        super().__init__(authority)

    # ---- what every call has ----

    def _open(self, call, key=None):
        call.require(call.headers.get("api_key") == (key or self.key), 401,
                     fault("BadApiKey", "Invalid API key", endpoint=call.path))
        call.check(call.headers.get("content-type", "").startswith("application/json"), "the body is JSON")
        call.require(isinstance(call.json, dict), 400, fault("BadJsonBody", f"[{call.path}] Invalid JSON body"))
        return call.json

    def _typed(self, call, value, path, kind, word):
        """A member of the wrong type has the whole request refused."""
        right = value is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool)))
        call.require(call.check(right, f"{path}: {word}"), 400, fault("BadJsonBody", f"[{call.path}] Invalid JSON body", **{path: word}))

    def _check_user(self, call, user, path):
        for key, kind in (("email", str), ("userId", str), ("dataFields", dict), ("preferUserId", bool), ("mergeNestedObjects", bool)):
            self._typed(call, user.get(key), f"{path}.{key}", kind, f"{kind.__name__} expected")

    def _check_event(self, call, event, path):
        for key, kind in (("email", str), ("userId", str), ("eventName", str), ("dataFields", dict), ("createdAt", int), ("campaignId", int),
                          ("templateId", int)):
            self._typed(call, event.get(key), f"{path}.{key}", kind, f"{kind.__name__} expected")

    @staticmethod
    def _who(item):
        return item.get("email") or item.get("userId")

    def _problem(self, item):
        """The list that names an item in a bulk answer, and the name; None: it is taken."""
        email, user = item.get("email"), item.get("userId")
        if email is not None and not EMAIL.fullmatch(email):
            return "invalidEmails", email
        if email in self.forgotten:
            return "forgottenEmails", email
        if user in self.forgotten:
            return "forgottenUserIds", user
        return None

    def _single(self, call, item):
        call.require(bool(self._who(item)), 400, fault("BadParams", "One of email and userId is required"))
        problem = self._problem(item)
        call.require(problem is None, 400, fault("InvalidEmailAddressError", f"Invalid email: {problem}"))

    def _store(self, user):
        key = self._who(user)
        self.users.setdefault(key, {}).update(user.get("dataFields", {}))
        return key

    # ---- users ----

    def update_user(self, call):
        body = self._open(call)
        self._check_user(call, body, "obj")
        self._single(call, body)
        self._store(body)
        return 200, SUCCESS

    def update_users(self, call):
        users = self._bulk(call, "users", self._check_user)
        problems = [self._problem(user) for user in users]
        for user, problem in zip(users, problems):
            if problem is None:
                self._store(user)
        return 200, self._bulk_answer(problems)

    def _bulk(self, call, into, check):
        """The items of a bulk request, once its form is right."""
        items = self._open(call).get(into)
        call.check(isinstance(items, list) and 0 < len(items) <= BULK_MAX, f"{into} are 1 to {BULK_MAX}")
        call.check(len(call.body) <= BULK_BYTES, "a request has at most 4 MB")
        for at, item in enumerate(items):
            check(call, item, f"obj.{into}[{at}]")
            call.check(bool(self._who(item)), "everybody has an email or a userId")
            call.check(into != "events" or bool(item.get("eventName")), "an event has a name")
        return items

    @staticmethod
    def _bulk_answer(problems, **more):
        """problems: of each item its problem, or None."""
        failed = {"invalidEmails": [], "invalidUserIds": [], "notFoundEmails": [], "notFoundUserIds": [], "forgottenEmails": [],
                  "forgottenUserIds": []}
        for problem in problems:
            if problem and problem[0] in failed:
                failed[problem[0]].append(problem[1])
        count = sum(problem is not None for problem in problems)
        return {"successCount": len(problems) - count, "failCount": count, "invalidEmails": failed["invalidEmails"],
                "invalidUserIds": failed["invalidUserIds"], "filteredOutFields": [], "createdFields": [], "failedUpdates": failed, **more}

    def update_email(self, call):
        body = self._open(call)
        for key in ("currentEmail", "newEmail"):
            call.require(bool(EMAIL.fullmatch(body.get(key) or "")), 400, fault("InvalidEmailAddressError", f"Invalid {key} {body.get(key)}"))
        call.require(body["newEmail"] not in self.users, 400, fault("EmailAlreadyExists", f"{body['newEmail']} exists"))
        self.users[body["newEmail"]] = self.users.pop(body["currentEmail"], {})
        return 200, SUCCESS

    def register(self, call):
        body = self._open(call, self.mobile_key)
        if call.groups["kind"] == "Browser":
            token, platform = body.get("browserToken"), "web"
        else:
            token, platform = body.get("device", {}).get("token"), body.get("device", {}).get("platform")
            call.check(platform in ("APNS", "GCM"), "a device has a platform")
        call.check(isinstance(token, str) and token != "", "a token is a text")
        self._single(call, body)
        self.tokens[token] = (self._who(body), platform)
        return 200, SUCCESS

    # ---- events ----

    def track(self, call):
        body = self._open(call)
        self._check_event(call, body, "obj")
        self._single(call, body)
        call.require(bool(body.get("eventName")), 400, fault("BadParams", "eventName is required"))
        self.events.append((self._who(body), body["eventName"], body))
        return 200, SUCCESS

    def track_bulk(self, call):
        events = self._bulk(call, "events", self._check_event)
        refused = sorted({event.get("eventName") for event in events} & self.disallowed)
        problems = [("disallowedEventNames", event["eventName"]) if event.get("eventName") in refused else self._problem(event)
                    for event in events]
        for event, problem in zip(events, problems):
            if problem is None:
                self.events.append((self._who(event), event.get("eventName"), event))
        return 200, self._bulk_answer(problems, disallowedEventNames=refused)

    # ---- shops and catalogs ----

    def _shop(self, call):
        body = self._open(call)
        self._check_user(call, body.get("user", {}), "obj.user")
        self._single(call, body.get("user", {}))
        call.check(bool(body.get("items")), "there are items")
        for item in body.get("items", []):
            call.check(isinstance(item.get("id"), str) and isinstance(item.get("name"), str), "an item has id and name, texts")
            call.check(isinstance(item.get("price"), (int, float)) and isinstance(item.get("quantity"), int), "an item has price and quantity, numbers")
            call.check(isinstance(item.get("categories", []), list), "categories are a list")
        return body, self._store(body["user"])

    def update_cart(self, call):
        body, who = self._shop(call)
        self.carts[who] = body["items"]
        return 200, SUCCESS

    def track_purchase(self, call):
        body, who = self._shop(call)
        call.check(isinstance(body.get("total"), (int, float)), "a purchase has a total, a number")
        self.purchases[body.get("id", len(self.purchases))] = (who, body["total"], body["items"])
        self.carts.pop(who, None)
        return 200, SUCCESS

    def put_items(self, call):
        documents = self._open(call).get("documents")
        name = call.groups["name"]
        call.require(name in self.catalogs, 404, {"error": "NotFound", "message": f"Catalog not found: {name}", "code": "error.catalogs.notFound"})
        call.check(isinstance(documents, dict) and 0 < len(documents) <= BULK_MAX, f"documents are 1 to {BULK_MAX}")
        call.check(call.json.get("replaceUploadedFieldsOnly") is True, "only the fields that are sent are replaced")
        for id_, fields in documents.items():
            self.catalogs[name].setdefault(id_, {}).update(fields)
        return 200, SUCCESS
