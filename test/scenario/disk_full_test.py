"""A filesystem that is really full: a small tmpfs that the test fills. Nothing acknowledged is lost, nothing crashes, and room brings it back."""
import os
import subprocess

import pytest
from sink import Answer
from sluice import Sluice, webhook, workspace

DISK_BYTES = 24 << 20
RESERVE_BYTES = 8 << 20
SEGMENT_BYTES = 1 << 20
EVENT_BYTES = 100_000
KNOBS = {"SLUICE_STORE_SEGMENT_BYTES": str(SEGMENT_BYTES), "SLUICE_STORE_RECORD_BYTES": "512KiB"}


@pytest.fixture
def disk(tmp_path):
    """A directory on a filesystem of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"this machine does not let the test mount a filesystem: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def server(disk, sink):
    made = Sluice(disk, workspace([webhook("hook", sink.url)]), env=KNOBS)
    yield made
    if made.process is not None:
        made.kill()


def fill(disk):
    """Takes all room."""
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(1 << 16))
        except OSError:
            pass
    return ballast


def send(server, name):
    """(status, headers) of one large event."""
    event = {"event": "e", "anonymousId": "u1", "messageId": name, "properties": {"filler": "x" * EVENT_BYTES}}
    status, _, headers = server.post("/v1/track", event)
    return status, headers


def send_until_refused(server, first=0):
    """Ids that were acknowledged, and the headers of the refusal."""
    acknowledged = []
    for number in range(first, first + 3 * DISK_BYTES // EVENT_BYTES):
        status, headers = send(server, f"m{number}")
        if status != 200:
            assert status == 503
            assert int(headers["retry-after"]) > 0
            return acknowledged
        acknowledged.append(f"m{number}")
    raise AssertionError("the disk never filled up")


def test_a_reserve_of_the_disk_is_kept_by_answering_503_before_anything_is_lost(server, disk, sink):
    server.env["SLUICE_STORE_DISK_RESERVE"] = str(RESERVE_BYTES)
    server.start()
    sink.behave = lambda arrival, number: Answer(hang=True)  # nothing is ended, nothing can be given back
    assert send_until_refused(server) != []
    room = os.statvfs(disk)
    assert room.f_bavail * room.f_frsize > RESERVE_BYTES - SEGMENT_BYTES


def test_what_was_acknowledged_before_the_disk_was_full_survives_a_kill_and_arrives(server, disk, sink):
    server.start()
    sink.behave = lambda arrival, number: Answer(status=503)
    acknowledged = [f"m{number}" for number in range(3)]
    for name in acknowledged:
        assert send(server, name)[0] == 200
    ballast = fill(disk)
    acknowledged += send_until_refused(server, first=len(acknowledged))
    assert server.alive()
    server.kill()
    ballast.unlink()
    sink.behave = lambda arrival, number: Answer()
    server.start()
    assert send(server, "after")[0] == 200
    sink.wait(lambda: set(sink.message_ids()) >= {*acknowledged, "after"}, "all that was acknowledged")
    server.settle()
    server.assert_conserved()


def test_a_server_whose_disk_was_full_takes_events_again_when_there_is_room(server, disk, sink):
    server.start()
    ballast = fill(disk)
    acknowledged = send_until_refused(server)
    ballast.unlink()
    server.wait(lambda: send(server, "later")[0] == 200, "room to be noticed")
    sink.wait(lambda: set(sink.message_ids()) >= {*acknowledged, "later"}, "all that was acknowledged")
    server.assert_conserved()
