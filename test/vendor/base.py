"""The stand-in of a vendor's API: TLS with the vendor's own host names, a table of routes, checks that collect what is wrong, answers like the
vendor's. A vendor's module makes a subclass with HOSTS and ROUTES; scenario tests start it and give the server its knobs().

    class Acme(Vendor):
        HOSTS = ["api.acme.test", "eu.acme.test"]
        ROUTES = [("POST", r"/v1/track/(?P<user>[^/]+)", "track")]

        def track(self, call):                  # call: method, host, path, query {name: text}, headers (lower case), json, form, groups, body
            call.require(call.headers.get("authorization") == "Bearer good", 401, {"error": "unauthorized"})
            call.check("event" in call.json, "an event has a name")
            return 200, {"ok": True}
"""
import gzip
import json
import re
import urllib.parse

from sink import Answer, Sink


class Refused(Exception):
    """The vendor would answer so; not a violation by itself."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


class Call:
    """One request as the vendor sees it."""

    def __init__(self, vendor, arrival):
        self.vendor = vendor
        self.method, self.headers, self.body = arrival.method, arrival.headers, arrival.body
        if arrival.headers.get("content-encoding") == "gzip":
            self.body = gzip.decompress(arrival.body)
        self.host = arrival.headers.get("host", "").split(":")[0]
        self.path, _, query = arrival.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.groups = {}

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    @property
    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True))

    def check(self, holds, rule):
        """A rule of the vendor's manual. Broken: recorded in vendor.violations, for the test to assert that there are none."""
        if not holds:
            self.vendor.violations.append(f"{self.method} {self.host}{self.path}: {rule}")
        return holds

    def require(self, holds, status, body):
        """What the vendor refuses with that answer."""
        if not holds:
            raise Refused(status, body)


class Vendor(Sink):
    HOSTS = []
    ROUTES = []  # (method, pattern of the whole path, name of the method that answers)

    def __init__(self, authority):
        self.authority = authority
        self.violations = []
        self.calls = []
        self._scripted = []
        super().__init__(self._behave, tls=authority.context(self.HOSTS))

    def knobs(self):
        """Environment of a server whose deliveries to any host on 443 end here, with the test's authority trusted."""
        return {"SLUICE_DELIVERY_CA_FILE": str(self.authority.file),
                "SLUICE_DELIVERY_CONNECT_TO": ",".join(f"{host}:443:127.0.0.1:{self.port}" for host in self.HOSTS)}

    def next_answers(self, *answers):
        """These (sink.Answer) are given to the next requests instead of the vendor's own."""
        self._scripted.extend(answers)

    def _behave(self, arrival, number):
        call = Call(self, arrival)
        self.calls.append(call)
        status, body, headers = self._answer(call)
        if self._scripted:
            return self._scripted.pop(0)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Answer(status=status, headers={"Content-Type": "application/json", **headers}, body=data)

    def _answer(self, call):
        try:
            for method, pattern, name in self.ROUTES:
                found = re.fullmatch(pattern, call.path)
                if found and method == call.method:
                    call.groups = found.groupdict()
                    result = getattr(self, name)(call)
                    return (*result, {}) if len(result) == 2 else result
            call.check(False, "there is no such endpoint")
            return 404, {"error": "not found"}, {}
        except Refused as refused:
            return refused.status, refused.body, {}
