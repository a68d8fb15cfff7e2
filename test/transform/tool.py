"""Runs `sluice transform` as a process: code and events in, its JSON answer out."""
import contextlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from sluice import BINARY, DEADLINE_S  # noqa: E402

UNMADE = not BINARY.exists()


@contextlib.contextmanager
def serving(handler):
    """An HTTP server of that http.server handler, on a port that is free: its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Answer:
    """What one call printed: `code`, `json` (None when it printed none), `err`."""

    def __init__(self, done):
        self.code = done.returncode
        self.err = done.stderr
        self.json = json.loads(done.stdout) if done.stdout.strip() else None

    def _all(self, key):
        return [row for batch in self.json["batches"] for row in batch[key]]

    @property
    def results(self):
        return self._all("results")

    @property
    def outcomes(self):
        return [event["outcome"] for event in self._all("events")]

    @property
    def outputs(self):
        return [row["output"] for row in self.results if "output" in row]

    @property
    def errors(self):
        return [row["error"] for row in self.results if "error" in row]

    @property
    def causes(self):
        return [row["cause"] for row in self.results if "cause" in row]

    @property
    def logs(self):
        return self._all("logs")


class Tool:
    """`sluice transform` in a folder of its own. Knobs of [transform] as keywords: cpu_time="200ms"."""

    def __init__(self, folder, **knobs):
        self.folder = pathlib.Path(folder)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
        self.env.update({f"SLUICE_TRANSFORM_{key.upper()}": value for key, value in knobs.items()})

    def call(self, *arguments):
        command = [str(BINARY), "transform", *map(str, arguments), "--json"]
        return Answer(subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=4 * DEADLINE_S))

    def _write(self, name, value):
        path = self.folder / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    def run(self, code, events, **settings):
        """settings: name, version, libraries, credentials, metadata."""
        self._write("code.js", code)
        self._write("events.json", events)
        self._write("with.json", {"name": "base transformation", **settings})
        return self.call("run", "code.js", "--events", "events.json", "--with", "with.json")

    def check(self, code, kind="transformation"):
        self._write("code.js", code)
        return self.call("check", "code.js", "--as", kind)


    def check_case(self, case):
        """Of a case as it is saved, in JSON."""
        self._write("case.json", case)
        return self.call("check", "case.json")


def event(number=1, **more):
    return {"messageId": f"m{number}", "type": "track", "event": f"e{number}", **more}
