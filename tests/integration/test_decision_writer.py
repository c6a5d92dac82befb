"""Decisions are written completely and once, and again after an outage of the database."""

import json
import resource
import signal
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import event, select, text

from loan_api.adapters.storage.database import open_engine
from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.adapters.storage.migration import migration_config, upgrade_database
from loan_api.adapters.storage.tables import batches, decisions
from loan_api.errors import DatabaseBusyError, StorageError
from loan_api.services.decision_log import BatchRecord, Decider, DecisionRecord
from tests.support.postgresql import Server

AT = datetime(2024, 3, 13, 10, 30, 0, 123456, tzinfo=UTC)
DECIDER = Decider("loan_approval_model", "7", "1.2.3", 0.35)
FEATURES = b'{"education":"Post Graduate","loan_term":5.0}'


def decision(decision_id: str, probability: float = 0.1 + 0.2) -> DecisionRecord:
    return DecisionRecord(decision_id, "request-1", AT, DECIDER, FEATURES, probability, 0)


def batch(batch_id: str) -> BatchRecord:
    return BatchRecord(batch_id, "request-2", AT, DECIDER, 3, 1, bytes(range(256)) * 1000)


def ids_in(url: str) -> list[str]:
    with open_engine(url).connect() as connection:
        return list(connection.scalars(select(decisions.c.id).order_by(decisions.c.id)))


def test_what_is_written_is_read_back_equal(migrated_url: str) -> None:
    writer = DecisionWriter(migrated_url)
    writer.write([decision("d-1")], [batch("b-1")])
    writer.close()
    with open_engine(migrated_url).connect() as connection:
        single = connection.execute(select(decisions)).one()
        whole = connection.execute(select(batches)).one()
    assert (single.id, single.request_id, single.endpoint, single.decided_at) == ("d-1", "request-1", "single", AT)
    assert single.features == json.loads(FEATURES)
    assert (single.probability, single.prediction, single.threshold) == (0.1 + 0.2, 0, 0.35)
    assert (whole.id, whole.request_id, whole.decided_at) == ("b-1", "request-2", AT)
    assert (whole.rows, whole.approved, whole.content) == (3, 1, bytes(range(256)) * 1000)
    for row in (single, whole):
        named = (row.model_name, row.registry_version, row.semantic_version)
        assert named == ("loan_approval_model", "7", "1.2.3")


def test_every_text_and_number_is_read_back_exactly(migrated_url: str) -> None:
    probabilities = [5e-324, 1 / 3, 0.1 + 0.2, 1 - 2**-53]
    features = '{"education":"Graduate \\"%(x)s\\" \\\\ ü","loan_term":0.1}'
    records = [
        DecisionRecord(f"d-{number}", "50% \"'\\ü{}", AT, DECIDER, features.encode(), probability, 1)
        for number, probability in enumerate(probabilities)
    ]
    writer = DecisionWriter(migrated_url)
    writer.write(records, [])
    writer.close()
    with open_engine(migrated_url).connect() as connection:
        rows = connection.execute(select(decisions).order_by(decisions.c.id)).all()
    assert [row.probability for row in rows] == probabilities
    assert {row.request_id for row in rows} == {"50% \"'\\ü{}"}
    assert [row.features for row in rows] == [json.loads(features)] * 4


def test_what_is_written_again_is_there_once_and_unchanged(migrated_url: str) -> None:
    writer = DecisionWriter(migrated_url)
    writer.write([decision("d-1"), decision("d-2")], [batch("b-1")])
    writer.write([decision("d-2", probability=0.9), decision("d-3")], [batch("b-1")])
    writer.close()
    assert ids_in(migrated_url) == ["d-1", "d-2", "d-3"]
    with open_engine(migrated_url).connect() as connection:
        assert connection.scalar(select(decisions.c.probability).where(decisions.c.id == "d-2")) == 0.1 + 0.2


def test_a_connection_that_was_killed_is_made_again(postgresql: Server) -> None:
    url = postgresql.new_database()
    upgrade_database(url)
    writer = DecisionWriter(url)
    writer.write([decision("d-1")], [])
    postgresql.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url[-37:]}'")
    with pytest.raises(StorageError, match=r"^the database closed the connection$"):
        writer.write([decision("d-2")], [])
    writer.write([decision("d-2")], [])
    postgresql.stop()
    with pytest.raises(StorageError):
        writer.write([decision("d-3")], [])
    postgresql.start()
    writer.write([decision("d-3")], [])
    writer.close()
    assert ids_in(url) == ["d-1", "d-2", "d-3"]


def test_a_server_that_hangs_is_away(postgresql: Server) -> None:
    """Give up on a frozen server, as a caller that waits forever could not use the journal."""
    url = postgresql.new_database()
    upgrade_database(url)
    writer = DecisionWriter(url, patience=0.1)
    writer.write([decision("d-1")], [])
    with postgresql.frozen():
        for _ in ("an open connection", "a new one"):
            with pytest.raises(StorageError, match=r"^the database does not answer in time$"):
                writer.write([decision("d-2")], [])
    writer.write([decision("d-2")], [])
    writer.close()
    assert ids_in(url) == ["d-1", "d-2"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Create a migrated SQLite database."""
    upgrade_database(f"sqlite:///{tmp_path}/decisions.db")
    return tmp_path / "decisions.db"


def test_a_locked_file_is_reported_soon_and_written_to_again_later(file: Path) -> None:
    writer = DecisionWriter(f"sqlite:///{file}")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusyError, match="the database is locked"):
            writer.write([decision("d-1")], [])
        other.execute("ROLLBACK")
    writer.write([decision("d-1")], [])
    writer.close()
    assert ids_in(f"sqlite:///{file}") == ["d-1"]


def test_whoever_opens_the_file_waits_for_one_who_has_it_for_himself(file: Path) -> None:
    """Hold an exclusive lock, as the last process to close the file briefly does."""
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(0.05, lambda: other.execute("ROLLBACK"))
        release.start()
        DecisionWriter(f"sqlite:///{file}", patience=10).write([decision("a")], [])
        release.join()
    assert ids_in(f"sqlite:///{file}") == ["a"]


def test_a_copy_that_is_put_back_is_not_mixed_with_what_was_written_after_it(file: Path) -> None:
    writers = [DecisionWriter(f"sqlite:///{file}") for _ in range(2)]
    for number, writer in enumerate(writers):
        writer.write([decision(f"before-{number}")], [])
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(file.with_name("copy.db"))) as copy:
        source.backup(copy)
    writers[0].write([decision(f"lost-{number}") for number in range(200)], [])
    file.unlink()
    for writer in writers:
        with pytest.raises(StorageError, match="was removed or replaced"):
            writer.write([decision("too late")], [])
    file.with_name("copy.db").rename(file)
    for number, writer in enumerate(writers):
        writer.write([decision(f"after-{number}")], [])
        writer.close()
    assert ids_in(f"sqlite:///{file}") == ["after-0", "after-1", "before-0", "before-1"]
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_file_that_comes_back_has_all_that_it_had(file: Path) -> None:
    writer = DecisionWriter(f"sqlite:///{file}")
    writer.write([decision("before")], [])
    moved = file.rename(file.with_name("moved.db"))
    with pytest.raises(StorageError, match="was removed or replaced"):
        writer.write([decision("too late")], [])
    moved.rename(file)
    writer.write([decision("after")], [])
    writer.close()
    assert ids_in(f"sqlite:///{file}") == ["after", "before"]
    assert not list(file.parent.glob("*.of-*"))


def test_a_file_that_is_gone_or_another_one_is_noticed(file: Path) -> None:
    """Move the file away: a process that has it open would write to a lost file."""
    writer = DecisionWriter(f"sqlite:///{file}")
    writer.write([decision("d-1")], [])
    kept = file.rename(file.with_name("moved.db"))
    for moved in file.parent.glob("decisions.db-*"):
        moved.rename(moved.with_name(moved.name.replace("decisions.db", "moved.db")))
    with pytest.raises(StorageError, match="was removed or replaced"):
        writer.write([decision("d-2")], [])
    with pytest.raises(StorageError, match="is missing or cannot be opened"):
        writer.write([decision("d-2")], [])
    assert not file.exists(), "no empty database may be created in its place"
    kept.rename(file)
    writer.write([decision("d-2")], [])
    writer.close()
    assert "d-2" in ids_in(f"sqlite:///{file}")


@pytest.mark.parametrize("name", ["a b", "a#b", "a%2541", "Kredit-Böck"])
def test_a_file_is_opened_by_its_own_name(tmp_path: Path, name: str) -> None:
    """Use names with characters that are special in SQLite's URIs."""
    url = f"sqlite:///{tmp_path}/{name}.db"
    upgrade_database(url)
    names = {name.replace("%25", "%") + end for end in (".db", ".db.migration-lock")}
    assert {each.name for each in tmp_path.iterdir()} == names
    assert ids_in(url) == []


class Replaces:
    """A hook that moves the file away just before a transaction ends."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, _: object) -> None:
        if self._file.exists():
            self._file.rename(self._file.with_name("moved.db"))


def test_what_went_into_a_file_that_was_taken_away_is_not_recorded(file: Path) -> None:
    writer = DecisionWriter(f"sqlite:///{file}")
    writer.write([decision("d-1")], [])
    event.listen(writer._engine, "commit", Replaces(file))
    with pytest.raises(StorageError, match="was removed or replaced"):
        writer.write([decision("d-2")], [])
    writer.close()


def test_a_full_database_takes_nothing_and_later_everything(file: Path) -> None:
    writer = DecisionWriter(f"sqlite:///{file}")
    writer.write([decision("d-1")], [])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StorageError):
            writer.write([decision("d-2")], [batch("b-1")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert ids_in(f"sqlite:///{file}") == ["d-1"]
    writer.write([decision("d-2")], [batch("b-1")])
    writer.close()
    assert ids_in(f"sqlite:///{file}") == ["d-1", "d-2"]


def test_a_database_for_reading_only_takes_nothing_and_later_everything(postgresql: Server) -> None:
    url = postgresql.new_database()
    upgrade_database(url)
    name = url.rpartition("/")[2]
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    writer = DecisionWriter(url)
    with pytest.raises(StorageError, match=r"^the database is read-only$"):
        writer.write([decision("d-1")], [])
    postgresql.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    writer.write([decision("d-1")], [])
    writer.close()
    assert ids_in(url) == ["d-1"]


def test_errors_say_nothing_of_what_was_to_be_written(database_url: str) -> None:
    upgrade_database(database_url)
    with open_engine(database_url).begin() as connection:
        connection.execute(text("DROP TABLE decisions"))
    writer = DecisionWriter(database_url)
    with pytest.raises(StorageError) as raised:
        writer.write([decision(str(uuid4()))], [])
    assert "Graduate" not in str(raised.value)
    assert "secret" not in str(raised.value)
    writer.close()


def test_a_recorder_migrates_what_was_away_but_makes_no_database(file: Path) -> None:
    url = f"sqlite:///{file}"
    command.downgrade(migration_config(url), "0001")
    drainer = DecisionWriter(url, lambda: upgrade_database(url, may_create=False))
    drainer.write([decision("d-1")], [])
    drainer.close()
    assert ids_in(url) == ["d-1"]
    for each in file.parent.glob("decisions.db*"):
        each.unlink()
    with pytest.raises(StorageError, match="the database's file is missing"):
        drainer.write([decision("d-2")], [])
    assert not file.exists()
