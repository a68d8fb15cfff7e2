"""Data directories that earlier versions left behind (test/formats/*.tar.xz, see write_v1.py) are taken up where they stood."""
import pathlib
import subprocess

import pytest
from sink import Answer
from sluice import ROOT, webhook, workspace

KNOBS = {"SLUICE_STORE_KEEP": "8760h", "SLUICE_STORE_RETENTION_AGE": "8760h"}
ARCHIVES = sorted((ROOT / "test" / "formats").glob("*.tar.xz"))


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.name)
def server(request, serve, sink):
    def unpack(directory: pathlib.Path):
        subprocess.run(["tar", "--extract", "--file", str(request.param), "--directory", str(directory)], check=True)
    return serve(workspace([webhook("hook", sink.url)]), clock=True, env=KNOBS, before=unpack)


def test_there_is_an_archive_of_each_version():
    assert [path.name for path in ARCHIVES] == ["v1.tar.xz"]


def test_only_what_had_not_ended_is_sent_and_in_order(server, sink):
    server.advance(3_600_000)
    sink.wait_accepted(2)
    server.settle()
    assert sink.message_ids() == ["waiting-1", "behind-1"]
    server.assert_conserved()


def test_counts_and_history_are_those_of_before(server, sink):
    row = server.destination("hook")
    assert (row["in"], row["delivered"], row["dead"], row["open"]) == (64, 61, 1, 2)
    _, text, _ = server.cli("trace", "good-7")
    assert "delivered" in text and "200" in text
    _, text, _ = server.cli("trace", "rejected-1")
    assert "rejected" in text


def test_a_dead_letter_is_shown_with_its_answer_and_can_be_redriven(server, sink):
    _, text, _ = server.cli("dead", "list")
    assert "hook" in text
    letter = server.get("/v0/dead")["letters"][0]
    assert (letter["message_id"], letter["status"]) == ("refused-1", 400)
    sink.behave = lambda arrival, number: Answer()
    server.cli("dead", "redrive", "--all")
    sink.wait(lambda: "refused-1" in sink.message_ids(), "the letter")


def test_a_message_id_of_before_is_still_known(server, sink):
    server.track("delivered", user="u1", message_id="good-1")
    server.track("delivered", user="u1", message_id="new-1")
    sink.wait(lambda: "new-1" in sink.message_ids(), "the new event")
    server.settle()
    assert "good-1" not in sink.message_ids()
