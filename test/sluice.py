"""Starts real Sluice processes for tests and talks to them: HTTP in, the control socket, the test clock, kill -9.

Nothing here sleeps: waiting means blocking on a socket, a pipe or a condition, with a deadline that only a failure reaches.
"""
import base64
import http.client
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("SLUICE_BINARY", ROOT / "build" / "sluice"))
DEADLINE_S = float(os.environ.get("SLUICE_TEST_DEADLINE", "30"))
CLOCK_START_MS = 1_786_060_800_000  # 2026-08-07T00:00:00Z, where the golden cases' clock stands


def sent(server, *events):
    """The events go in by one request, which is answered 200."""
    status, body, _ = server.post("/v1/batch", {"batch": list(events)})
    assert status == 200, body


def pass_a_second(server, destination):
    """Loads gather for a second; no time passes for a request under way, which would run out of it."""
    if server.destination(destination)["inflight"] == 0:
        server.advance(1000)


def finished(server, destination, what, count):
    """Waits, by the test's clock, until so many events of the destination are delivered, or dead."""
    def ended():
        pass_a_second(server, destination)
        return server.destination(destination)[what] == count
    server.wait(ended, f"{count} {what}")


def workspace(destinations, sources=None, connections=None):
    """A workspace.yaml as a dict (YAML takes JSON): every source is connected to every destination unless told otherwise."""
    sources = sources or [{"id": "web", "write_key": "wk_web"}]
    if connections is None:
        connections = [{"from": s["id"], "to": d["id"]} for s in sources for d in destinations]
    return {"version": 1, "workspace": {"id": "test", "name": "Test"}, "sources": sources, "destinations": destinations,
            "connections": connections}


def webhook(name, url, delivery=None, **config):
    """A WEBHOOK destination of that id."""
    destination = {"id": name, "type": "WEBHOOK", "config": {"webhookUrl": url, "webhookMethod": "POST", **config}}
    if delivery:
        destination["delivery"] = delivery
    return destination


class DiedAtStart(Exception):
    """The process ended before it said that it was ready."""


class UnixConnection(http.client.HTTPConnection):
    """http.client over the control socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Sluice:
    """One server process over one directory; start() again after stop() or kill() to test a restart."""

    def __init__(self, directory, workspace_doc=None, clock=False, env=None):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.workspace_path = self.directory / "workspace.yaml"
        self.clock = clock
        self.clock_ms = CLOCK_START_MS
        self.env = {"SLUICE_GATEWAY_LISTEN": "127.0.0.1:0", "SLUICE_DELIVERY_ALLOW_PRIVATE": "true",
                    "SLUICE_STORE_DISK_RESERVE": "0B", **(env or {})}
        self.process = None
        self.port = None
        self.log_path = self.directory / "sluice.log"
        if workspace_doc is not None:
            self.write_workspace(workspace_doc)

    def write_workspace(self, doc):
        temporary = self.workspace_path.with_suffix(".tmp")
        temporary.write_text(doc if isinstance(doc, str) else json.dumps(doc))
        temporary.rename(self.workspace_path)

    # -- process --

    def start(self, faults=None, extra_args=(), preexec=None):
        env = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
        env.update(self.env)
        env["SLUICE_WORKSPACE_PATH"] = str(self.workspace_path)
        env["SLUICE_STORE_PATH"] = str(self.data)
        if faults:
            env["SLUICE_FAULTS"] = faults
        arguments = [str(BINARY), "serve", "--json", *extra_args]
        if self.clock:
            arguments += ["--test-clock", str(self.clock_ms)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, env=env, preexec_fn=preexec)
        line = self._read_line(self.process.stdout)
        if not line:
            code = self._reap()
            raise DiedAtStart(f"sluice did not start (exit {code}):\n{self.log()[-4000:]}")
        self.port = json.loads(line)["port"]
        return self

    def _read_line(self, pipe):
        ready, _, _ = select.select([pipe], [], [], DEADLINE_S)
        return pipe.readline() if ready else b""

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def kill(self):
        """kill -9."""
        self.process.kill()
        return self._reap()

    def wait_dead(self):
        """Until it has died by itself (an armed fault)."""
        return self._reap()

    def _reap(self):
        code = self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        self.process = None
        return code

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None:
            self.kill()

    # -- data plane --

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)

    def request(self, method, path, body=None, headers=None, connection=None):
        """(status, body bytes, headers)."""
        own = connection is None
        connection = connection or self.connection()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict((k.lower(), v) for k, v in answer.getheaders())
        finally:
            if own:
                connection.close()

    def post(self, path, payload, key="wk_web", headers=None, connection=None):
        body = payload if isinstance(payload, (bytes, str)) else json.dumps(payload)
        token = base64.b64encode(f"{key}:".encode()).decode()
        return self.request("POST", path, body, {"Authorization": f"Basic {token}", "Content-Type": "application/json",
                                                 **(headers or {})}, connection)

    def track(self, name, user="u1", message_id=None, key="wk_web", connection=None, **fields):
        event = {"event": name, "anonymousId": user, **fields}
        if message_id:
            event["messageId"] = message_id
        status, body, _ = self.post("/v1/track", event, key=key, connection=connection)
        assert status == 200, (status, body)

    # -- control socket --

    def control(self, method, path):
        connection = UnixConnection(self.data / "sluice.sock", DEADLINE_S)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body[:1] in (b"{", b"[") else body.decode()
        finally:
            connection.close()

    def get(self, path):
        status, document = self.control("GET", path)
        assert status == 200, (path, status, document)
        return document

    def stat(self):
        return self.get("/v0/stat")

    def destination(self, name):
        return next(d for d in self.stat()["destinations"] if d["id"] == name)

    def advance(self, ms):
        """Moves the test clock; timers that are due have run when this returns."""
        status, document = self.control("POST", f"/v0/clock/advance?ms={ms}")
        assert status == 200, document
        self.clock_ms += ms

    def audit(self):
        status, document = self.control("GET", "/v0/audit")
        assert status == 200, document
        return document

    def assert_conserved(self):
        """The conservation law, for every destination."""
        document = self.audit()
        assert document["ok"], json.dumps(document, indent=1)
        return document

    def wait(self, condition, what):
        """Until condition() is true; asks the server again and again, each time blocking on its answer."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            value = condition()
            if value:
                return value
            assert self.alive(), f"server died while waiting for {what}:\n{self.log()[-4000:]}"
            assert time.monotonic() < deadline, f"waited {DEADLINE_S} s for {what}\n{json.dumps(self.stat())[:4000]}"

    def settle(self, *names):
        """Until the destinations have nothing to read, nothing queued and nothing in flight (retries may wait)."""
        def settled():
            rows = [d for d in self.stat()["destinations"] if not names or d["id"] in names]
            return all(d["behind"] == 0 and d["queued"] == 0 and d["inflight"] == 0 for d in rows) and rows
        return self.wait(settled, f"{names or 'all destinations'} to settle")

    def cli(self, *arguments, check=True):
        """Runs a reading verb against this server; (exit code, stdout, stderr)."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
        done = subprocess.run([str(BINARY), *arguments, "--data", str(self.data)], capture_output=True, env=env,
                              timeout=DEADLINE_S, check=False)
        if check:
            assert done.returncode == 0, (arguments, done.returncode, done.stderr.decode())
        return done.returncode, done.stdout.decode(), done.stderr.decode()
