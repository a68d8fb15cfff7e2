"""Fixtures shared by scenario, crash and interop tests."""
import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from authority import Authority  # noqa: E402
from sink import Sink  # noqa: E402
from sluice import Sluice  # noqa: E402


@pytest.fixture
def sink():
    made = Sink()
    yield made
    made.close()


@pytest.fixture
def sinks():
    """A factory; every sink made is closed at the end."""
    made = []

    def make(behave=None, tls=None):
        made.append(Sink(behave, tls))
        return made[-1]
    yield make
    for each in made:
        each.close()


@pytest.fixture
def serve(tmp_path):
    """A factory of started servers, each over its own directory; killed at the end if still running."""
    made = []

    def make(workspace_doc, clock=False, env=None, faults=None, before=None, **start):
        directory = tmp_path / f"server{len(made)}"
        directory.mkdir()
        if before:
            before(directory)  # puts files there
        server = Sluice(directory, workspace_doc, clock=clock, env=env)
        made.append(server)
        return server.start(faults=faults, **start)
    yield make
    for server in made:
        if server.process is not None:
            server.kill()


@pytest.fixture
def authority(tmp_path):
    """Issues certificates that a server trusts when it is told to."""
    return Authority(tmp_path / "authority")


@pytest.fixture
def vendors(authority):
    """A factory of stand-ins (test/vendor): vendors(Braze). Closed at the end; by then none may have seen a rule broken."""
    made = []

    def make(kind, *arguments):
        made.append(kind(authority, *arguments))
        return made[-1]
    yield make
    for each in made:
        each.close()
    for each in made:
        assert each.violations == []
