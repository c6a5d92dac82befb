"""`python -m loan_api decisions settle`, for which orchestrators wait before they remove a service's disk."""

from pathlib import Path
from threading import Timer

import pytest
from click.testing import CliRunner, Result

from loan_api.adapters.recording.journal import Journal
from loan_api.entrypoints.commands import cli


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal" / "0.journal", 2**20)


def settle(home: Path, seconds: float) -> Result:
    return CliRunner().invoke(cli, ["decisions", "settle", "--within", str(seconds)], env={"LOAN_HOME": str(home)})


def test_an_empty_journal_is_not_waited_for(journal: Journal, tmp_path: Path) -> None:
    assert (settle(tmp_path / "nowhere", 0).exit_code, settle(tmp_path, 0).exit_code) == (0, 0)
    journal.close()


def test_decisions_that_stay_in_the_journal_are_named(journal: Journal, tmp_path: Path) -> None:
    journal.append([b"a decision"])
    late = settle(tmp_path, 0)
    assert (late.exit_code, str(journal.path) in late.output) == (1, True)
    journal.close()


def test_it_waits_until_the_journal_is_empty(journal: Journal, tmp_path: Path) -> None:
    journal.append([b"a decision"])
    draining = Timer(0.1, journal.clear)
    draining.start()
    settled = settle(tmp_path, 60)
    draining.join()
    assert (settled.exit_code, settled.output, journal.is_empty) == (0, "", True)
    journal.close()
