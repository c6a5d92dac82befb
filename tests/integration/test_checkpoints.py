"""SQLite's write-ahead log is checkpointed into the database, and removed after the last writer has closed it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from loan_api.adapters.storage.checkpoints import Checkpoints
from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.adapters.storage.migration import upgrade_database
from loan_api.services.decision_log import BatchRecord, Decider
from tests.support.fakes import NOW

DECIDER = Decider("loan_approval_model", "1", "1.0.0", 0.5)
MEGABYTE = 2**20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    upgrade_database(f"sqlite:///{tmp_path}/decisions.db")
    return tmp_path / "decisions.db"


def batch(number: int) -> BatchRecord:
    return BatchRecord(f"b-{number}", "r", NOW, DECIDER, 1, 1, bytes(MEGABYTE))


def rows_without_what_is_ahead(file: Path) -> int:
    """Count the rows of the main file alone, without its write-ahead log."""
    copy = file.with_name("copy.db")
    copy.write_bytes(file.read_bytes())
    with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM batches").fetchone()
    return int(count)


def test_much_is_moved_while_others_write_and_the_rest_when_they_have_ended(file: Path) -> None:
    url, ahead = f"sqlite:///{file}", file.with_name("decisions.db-wal")
    writer = DecisionWriter(url)
    checkpoints = Checkpoints(url, file, 0.0)
    writer.write([], [batch(1)])
    checkpoints.check(1.0)
    assert rows_without_what_is_ahead(file) == 0, "a small log is not checkpointed immediately"
    writer.write([], [batch(number) for number in range(2, 8)])
    checkpoints.check(2.0)
    assert rows_without_what_is_ahead(file) == 7
    size = ahead.stat().st_size
    writer.write([], [batch(8)])
    assert ahead.stat().st_size < size + MEGABYTE, "a fully checkpointed log is overwritten from its start"
    checkpoints.check(3.0)
    checkpoints.check(14.0)
    assert rows_without_what_is_ahead(file) == 8
    assert ahead.stat().st_size == 0
    checkpoints.check(15.0)
    checkpoints.check(30.0)
    assert ahead.stat().st_size == 0
    writer.close()


def test_little_is_moved_now_and_then(file: Path) -> None:
    url = f"sqlite:///{file}"
    writer = DecisionWriter(url)
    checkpoints = Checkpoints(url, file, 0.0)
    for second in range(1, 13):
        writer.write([], [BatchRecord(f"b-{second}", "r", NOW, DECIDER, 1, 1, b"x")])
        checkpoints.check(float(second))
    assert rows_without_what_is_ahead(file) == 11
    writer.close()


def test_a_database_that_is_gone_is_said_to_be(file: Path) -> None:
    checkpoints = Checkpoints(f"sqlite:///{file}", file, 0.0)
    file.with_name("decisions.db-wal").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        checkpoints.check(1.0)
