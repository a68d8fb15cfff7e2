"""The stand-in of an external transformer: RudderStack's protocol as its clients have to speak it, each rule of it checked.

`make` is what it does with an event: make(message, destination) -> a request (a dict as request() makes it), a list of them, or (status, error).
"""
import json
import re

from sink import Answer, Sink

DESTINATION_KEYS = {"ID", "Name", "DestinationDefinition", "Config", "Enabled", "WorkspaceID", "Transformations", "IsProcessorEnabled"}


def request(endpoint, method="POST", headers=None, params=None, **body):
    """A REST output; body: JSON=…, JSON_ARRAY=…, FORM=…, XML=…, GZIP=…"""
    formats = {"JSON": {}, "JSON_ARRAY": {}, "XML": {}, "FORM": {}, **body}
    return {"version": "1", "type": "REST", "method": method, "endpoint": endpoint, "headers": headers or {}, "params": params or {}, "body": formats,
            "files": {}, "userId": ""}


class Transformer(Sink):
    def __init__(self, make, router_types=()):
        self.make = make
        self.router_types = router_types
        self.violations = []
        self.asked = []  # (path, events)
        self.code = None  # of /customTransform: code(message) -> events, or (status, error)
        self.answers = None  # instead of its own: a function of the path, or None
        super().__init__(self._behave)

    @property
    def knobs(self):
        return {"SLUICE_DELIVERY_TRANSFORMER_URL": f"http://127.0.0.1:{self.port}/"}

    def check(self, holds, rule):
        if not holds:
            self.violations.append(rule)

    def _behave(self, arrival, number):
        path = arrival.path
        instead = self.answers(path) if self.answers else None
        if instead is not None:
            return instead
        if (arrival.method, path) == ("GET", "/features"):
            return Answer(body=json.dumps({"routerTransform": {name: True for name in self.router_types}}).encode())
        if path == "/customTransform":
            return Answer(body=json.dumps(self._run_code(arrival)).encode())
        return Answer(headers={"apiVersion": "2", "Content-Type": "application/json"}, body=json.dumps(self._transform(arrival)).encode())

    def _run_code(self, arrival):
        rows = []
        for item in arrival.json:
            versions = item["destination"]["Transformations"]
            self.check(len(versions) == 1 and versions[0]["VersionID"], "VersionID of the transformation")
            self.check({"libraries", "credentials"} <= set(item), "libraries and credentials")
            self.check(item["metadata"]["transformationVersionId"] == versions[0]["VersionID"], "transformationVersionId")
            made = self.code(item["message"])
            status, events = made if isinstance(made, tuple) else (200, made)
            if status != 200:
                rows.append({"metadata": item["metadata"], "statusCode": status, "error": events})
            elif not events:
                rows.append({"metadata": {**item["metadata"], "messageIds": None}, "statusCode": 298})
            rows += [{"output": event, "metadata": item["metadata"], "statusCode": 200} for event in (events if status == 200 else [])]
        self.asked.append((arrival.path, [item["message"]["event"] for item in arrival.json]))
        return rows

    def _transform(self, arrival):
        found = re.fullmatch(r"/v0/destinations/([a-z0-9_]+)", arrival.path)
        router = arrival.path == "/routerTransform"
        self.check(arrival.method == "POST" and (found or router), f"{arrival.method} {arrival.path} is no route")
        self.check(arrival.headers.get("content-type") == "application/json; charset=utf-8", "Content-Type")
        self.check(arrival.headers.get("x-feature-filter-code") == "?1" and arrival.headers.get("x-feature-gzip-support") == "?1", "X-Feature headers")
        items = arrival.json["input"] if router else arrival.json
        self.check(not router or re.fullmatch("[a-z0-9_]+", arrival.json.get("destType", "")), "destType in lower case")
        for item in items:
            self.check(DESTINATION_KEYS <= set(item["destination"]), "keys of destination")
            self.check({"jobId", "messageId", "sourceId", "destinationId", "workspaceId"} <= set(item["metadata"]), "keys of metadata")
            self.check(item["metadata"]["messageId"] == item["message"]["messageId"], "messageId")
        self.asked.append((arrival.path, [item["message"]["event"] for item in items]))
        return {"output": [self._router_row(item) for item in items]} if router else [row for item in items for row in self._rows(item)]

    def _made(self, item):
        made = self.make(item["message"], item["destination"])
        return made if isinstance(made, tuple) else (200, made)

    def _rows(self, item):
        status, made = self._made(item)
        if status != 200:
            return [{"metadata": item["metadata"], "statusCode": status, "error": made, "statTags": {}}]
        return [{"output": one, "metadata": item["metadata"], "statusCode": 200} for one in (made if isinstance(made, list) else [made])]

    def _router_row(self, item):
        status, made = self._made(item)
        key = "batchedRequest" if status == 200 else "error"
        return {key: made, "metadata": [item["metadata"]], "destination": item["destination"], "batched": False, "statusCode": status}
