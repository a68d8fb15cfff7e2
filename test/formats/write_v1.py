#!/usr/bin/env python3
"""Writes test/formats/v1.tar.xz: a data directory as version 1 of the formats has it. Run once when a format's version is new, never again:
the file is what installations of that version left behind. test/scenario/old_format_test.py says what is in it.
"""
import contextlib
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sink import Answer, Sink  # noqa: E402
from sluice import Sluice, webhook, workspace  # noqa: E402

KNOBS = {"SLUICE_STORE_PREPARE": "false", "SLUICE_STORE_SEGMENT_BYTES": "64KiB", "SLUICE_STORE_RECORD_BYTES": "32KiB", "SLUICE_STORE_KEEP": "8760h",
         "SLUICE_STORE_RETENTION_AGE": "8760h"}


def behave(arrival, number):
    """Delivered, dead or still waiting, by the event's name."""
    return Answer(status={"refused": 400, "waiting": 503}.get(arrival.json["event"], 200), body=b"as the name says")


def main():
    with tempfile.TemporaryDirectory() as directory, contextlib.closing(Sink(behave)) as sink:
        server = Sluice(directory, workspace([webhook("hook", sink.url)]), clock=True, env=KNOBS)
        server.start()
        for number in range(60):
            server.track("delivered", user=f"u{number % 5}", message_id=f"good-{number}", properties={"filler": "x" * 3000})
        server.track("refused", user="bad", message_id="refused-1")
        server.track("waiting", user="late", message_id="waiting-1")
        server.track("delivered", user="late", message_id="behind-1")
        nobody = {"type": "track", "event": "nobody", "messageId": "rejected-1"}
        server.post("/v1/batch", {"batch": [nobody, {"type": "track", "event": "delivered", "userId": "u9", "messageId": "good-60"}]})
        server.wait(lambda: server.destination("hook")["open"] == 2 and server.destination("hook")["inflight"] == 0, "all but one to end")
        server.settle()
        server.audit()
        server.stop()
        subprocess.run(["tar", "--create", "--xz", "--sort=name", "--owner=0", "--group=0", "--mtime=@0", f"--file={HERE / 'v1.tar.xz'}", "--exclude=*.sock",
                        "--exclude=lock", "--directory", str(directory), "data"], check=True)


main()
