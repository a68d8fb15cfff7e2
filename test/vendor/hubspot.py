"""HubSpot as its manual describes it: records with properties, found by search, written in batches that name a record once; behavioural
events; the legacy batches of contacts and the legacy events.

It keeps `records` by object and id, `events`, `links`, `legacy_events`. `properties` says which there are: {name: (type, unique)}.
https://developers.hubspot.com/docs/api-reference/latest/crm/understanding-the-crm
"""
from vendor.base import Vendor

BATCH_MAX, LEGACY_BATCH_MAX, SEARCH_MAX, FILTER_GROUPS_MAX = 100, 1000, 200, 5
CONTACT = {"email": ("string", True), "firstname": ("string", False), "lastname": ("string", False), "phone": ("string", False),
           "seats": ("number", False), "note": ("string", False), "hs_additional_emails": ("enumeration", False)}
OPERATORS = {"EQ": lambda held, wanted: held == str(wanted["value"]),
             "IN": lambda held, wanted: held in map(str, wanted["values"])}


def error(category, message, **context):
    return {"status": "error", "category": category, "message": message, "context": context}


class HubSpot(Vendor):
    HOSTS = ["api.hubapi.com", "track.hubspot.com"]
    ROUTES = [("GET", r"/properties/v1/contacts/properties", "listed_before"),
              ("GET", r"/crm/v3/properties/(?P<object>\w+)", "listed"),
              ("POST", r"/crm/v3/objects/(?P<object>\w+)/search", "searched"),
              ("POST", r"/crm/v3/objects/(?P<object>\w+)/batch/(?P<action>create|update|upsert)", "written"),
              ("POST", r"/crm/v3/associations/(?P<start>\w+)/(?P<end>\w+)/batch/create", "linked"),
              ("POST", r"/events/v3/send", "happened"),
              ("POST", r"/contacts/v1/contact/batch/", "written_before"),
              ("GET", r"/v1/event", "happened_before")]

    def __init__(self, authority, token=None, key=None, events=()):
        self.token, self.key, self.known_events = token, key, set(events)
        self.properties = {"contacts": dict(CONTACT)}
        self.records, self.events, self.links, self.legacy_events = {}, [], [], []
        super().__init__(authority)

    def _signed(self, call):
        good = call.headers.get("authorization") == f"Bearer {self.token}" if self.token else call.query.get("hapikey") == self.key
        call.require(good, 401, error("INVALID_AUTHENTICATION", "Authentication credentials not found."))

    def _known(self, call):
        self._signed(call)
        name = call.groups["object"]
        call.require(name in self.properties, 400, error("VALIDATION_ERROR", f"Unable to infer object type from: {name}"))
        return self.properties[name], self.records.setdefault(name, {})

    # ---- what there is ----

    def listed_before(self, call):
        self._signed(call)
        return 200, [{"name": name, "type": kind} for name, (kind, _) in self.properties["contacts"].items()]

    def listed(self, call):
        properties, _ = self._known(call)
        return 200, {"results": [{"name": name, "type": kind, "hasUniqueValue": unique} for name, (kind, unique) in properties.items()]}

    def searched(self, call):
        properties, records = self._known(call)
        groups = call.json["filterGroups"]
        call.check(len(groups) <= FILTER_GROUPS_MAX and call.json.get("limit", 10) <= SEARCH_MAX, "a search has limits")
        filters = [one for group in groups for one in group["filters"]]
        call.require(all(one["propertyName"] in properties for one in filters), 400, error("VALIDATION_ERROR", "There was a problem with the request."))
        call.check(all(len(one.get("values", [])) <= BATCH_MAX for one in filters), "IN takes a hundred values")
        call.check(all(value == str(value).lower() for one in filters for value in one.get("values", [])), "IN wants lower case")
        found = [dict(id=key, properties=held) for key, held in records.items()
                 if any(all(self._fits(held, one) for one in group["filters"]) for group in groups)]
        start, limit = int(call.json.get("after", 0)), call.json.get("limit", 10)
        more = {"paging": {"next": {"after": str(start + limit)}}} if len(found) > start + limit else {}
        return 200, {"total": len(found), "results": found[start:start + limit], **more}

    @staticmethod
    def _fits(held, one):
        values = held.get(one["propertyName"], "")
        parts = values.split(";") if one["propertyName"] == "hs_additional_emails" else [values]
        return any(OPERATORS[one["operator"]](str(part), one) for part in parts)

    # ---- records ----

    def _inputs(self, call):
        inputs = call.json["inputs"]
        call.require(0 < len(inputs) <= BATCH_MAX, 400, error("VALIDATION_ERROR", f"The maximum number of inputs is {BATCH_MAX}"))
        return inputs

    def written(self, call):
        properties, records = self._known(call)
        inputs, action = self._inputs(call), call.groups["action"]
        ids = [(one.get("idProperty"), str(one["id"]).lower()) for one in inputs if "id" in one]
        twice = sorted({key for _, key in ids if [other for _, other in ids].count(key) > 1})
        call.require(not twice, 400, error("VALIDATION_ERROR", f"Duplicate IDs found in batch input: {twice}. IDs must be unique", ids=twice))
        call.check(len({name for name, _ in ids}) <= 1, "a batch has one idProperty")
        results, errors = [], []
        for one in inputs:
            fault = getattr(self, f"_{action}_fault")(call, properties, records, one)
            if fault:
                errors.append(fault)
                continue
            key = self._key(records, one) or str(1000 + len(records))
            records.setdefault(key, {}).update(self._properties_of(one))
            results.append({"id": key, "properties": dict(records[key])})
        if errors:
            return 207, {"status": "COMPLETE", "results": results, "errors": errors, "numErrors": len(errors)}
        return (201 if action == "create" else 200), {"status": "COMPLETE", "results": results}

    @staticmethod
    def _properties_of(one):
        named = {one["idProperty"]: one["id"]} if "idProperty" in one else {}
        return {**named, **{name: str(value) for name, value in one["properties"].items()}}

    @staticmethod
    def _key(records, one):
        if "idProperty" not in one:
            return one.get("id")
        return next((key for key, held in records.items() if held.get(one["idProperty"], "").lower() == one["id"].lower()), None)

    @staticmethod
    def _unknown(properties, one):
        for name, value in one["properties"].items():
            if name not in properties:
                return f'Property "{name}" does not exist'
            if properties[name][0] == "number" and not str(value).replace(".", "", 1).isdigit():
                return f'{value} was not a valid number for "{name}"'
            if name == "email" and "@" not in str(value):
                return f"Email address {value} is invalid"
        return None

    def _create_fault(self, call, properties, records, one):
        message = self._unknown(properties, one)
        call.require(not message, 400, error("VALIDATION_ERROR", f"Property values were not valid: {message}"))
        held = next((key for key, other in records.items() if other.get("email") and other["email"] == one["properties"].get("email")), None)
        call.require(held is None, 409, error("CONFLICT", f"Contact already exists. Existing ID: {held}"))

    def _update_fault(self, call, properties, records, one):
        message = self._unknown(properties, one)
        call.require(not message, 400, error("VALIDATION_ERROR", f"Property values were not valid: {message}"))
        return None if one["id"] in records else error("OBJECT_NOT_FOUND", "Could not get some objects", ids=[one["id"]])

    def _upsert_fault(self, call, properties, records, one):
        call.check(isinstance(one["id"], str), "an id is a text")
        unique = properties.get(one.get("idProperty"), ("", False))[1]
        call.require(unique, 400, error("VALIDATION_ERROR", f"{one.get('idProperty')} is not unique"))
        message = self._unknown(properties, one)
        return error("VALIDATION_ERROR", message, objectWriteTraceId=[one["objectWriteTraceId"]]) if message else None

    def linked(self, call):
        self._signed(call)
        inputs = self._inputs(call)
        for one in inputs:
            call.require(one.get("from", {}).get("id") and one.get("to", {}).get("id") and one.get("type"), 400,
                         error("VALIDATION_ERROR", "Invalid input JSON"))
            self.links.append((call.groups["start"], str(one["from"]["id"]), call.groups["end"], str(one["to"]["id"])))
        return 201, {"status": "COMPLETE", "results": inputs}

    # ---- events ----

    def happened(self, call):
        self._signed(call)
        event = call.json
        call.require(event.get("eventName") in self.known_events, 400, error("VALIDATION_ERROR", "Event definition not found"))
        call.require(any(event.get(name) for name in ("email", "utk", "objectId")), 400, error("VALIDATION_ERROR", "No contact identifier"))
        self.events.append(event)
        return 204, b""

    # ---- before the new API ----

    def written_before(self, call):
        self._signed(call)
        call.require(len(call.json) <= LEGACY_BATCH_MAX, 400, error("VALIDATION_ERROR", "too many contacts"))
        wrong = [(at, one["email"]) for at, one in enumerate(call.json) if "@" not in one["email"]]
        call.require(not wrong, 400, {
            "status": "error", "message": "Errors found processing batch update", "invalidEmails": [email for _, email in wrong],
            "failureMessages": [{"index": at, "error": {"message": f"Email address {email} is invalid"}} for at, email in wrong]})
        records = self.records.setdefault("contacts", {})
        for one in call.json:
            records.setdefault(one["email"], {"email": one["email"]}).update({each["property"]: str(each["value"]) for each in one["properties"]})
        return 202, b""

    def happened_before(self, call):
        call.check(call.host == "track.hubspot.com", "legacy events have a host of their own")
        call.check(call.query.get("_a") and call.query.get("_n"), "_a is the account, _n the event")
        self.legacy_events.append(call.query)
        return 200, {}
