"""The user's connection parameters reach PostgreSQL, poolers work, and every failure names its cause."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.database import connected, open_engine
from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.adapters.storage.migration import upgrade_database
from loan_api.adapters.storage.tables import decisions
from loan_api.errors import StorageError
from loan_api.services.audit import DecisionName, OutcomeReport
from tests.support.forms import SHIPPED
from tests.support.ledger import Ledger
from tests.support.postgresql import Server, running_pooler


@pytest.fixture
def pooled_url(postgresql: Server) -> Iterator[str]:
    """Provide an empty database behind PgBouncer in transaction mode."""
    with running_pooler(postgresql, postgresql.new_database()) as url:
        yield url


def test_a_search_path_in_the_url_decides_where_the_tables_are(postgresql: Server) -> None:
    url = postgresql.new_database()
    with open_engine(url).begin() as connection:
        connection.execute(text("CREATE SCHEMA loans"))
    configured = f"{url}?options=-csearch_path%3Dloans"
    upgrade_database(configured)
    decision_id = Ledger(configured).single()
    with connected(configured) as connection:
        assert connection.scalars(select(decisions.c.id)).all() == [decision_id]
    tables = text("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('decisions', 'alembic_version')")
    with open_engine(url).connect() as connection:
        assert connection.scalars(tables).all() == ["loans"]


@pytest.mark.parametrize(
    ("parameters", "setting", "value"),
    [
        ("", "statement_timeout", "5s"),
        ("?options=-cstatement_timeout%3D7s", "statement_timeout", "7s"),
        ("?options=-cwork_mem%3D5MB", "statement_timeout", "5s"),
        ("?options=-cwork_mem%3D5MB", "work_mem", "5MB"),
        ("?application_name=lender", "application_name", "lender"),
    ],
)
def test_connection_parameters_of_the_url_are_kept(
    postgresql: Server, parameters: str, setting: str, value: str
) -> None:
    with open_engine(postgresql.new_database() + parameters).connect() as connection:
        assert connection.scalar(text(f"SHOW {setting}")) == value


def test_the_url_may_set_the_time_limit_of_a_connection(postgresql: Server) -> None:
    with open_engine(postgresql.new_database() + "?connect_timeout=7&tcp_user_timeout=9000").connect() as connection:
        parameters = connection.connection.driver_connection.info.get_parameters()
    assert (parameters["connect_timeout"], parameters["tcp_user_timeout"]) == ("7", "9000")


def test_times_are_read_in_utc_whatever_the_session_says(postgresql: Server) -> None:
    url = postgresql.migrated_database()
    decision_id = Ledger(url).single()
    found = DatabaseArchive(SHIPPED, f"{url}?options=-ctimezone%3DAsia/Kolkata").find(DecisionName(decision_id))
    assert found is not None
    assert found.decision.decided_at.tzinfo == UTC


def test_the_decision_log_works_through_a_pooler_in_transaction_mode(pooled_url: str) -> None:
    """Use many transactions: each may get another server connection, which lacks earlier prepared statements."""
    upgrade_database(pooled_url)
    with ThreadPoolExecutor(4) as pool:

        def record(_: int) -> list[str]:
            writer = DecisionWriter(pooled_url)
            ledger = Ledger(pooled_url, write=writer.write)
            ids = [ledger.single() for _ in range(20)] + [ledger.batch(0.25, 0.75)]
            writer.close()
            return ids

        recorded = [each.result(60) for each in [pool.submit(record, number) for number in range(4)]]
    archive = DatabaseArchive(SHIPPED, pooled_url)
    for ids in recorded:
        *singles, whole = ids
        reports = [OutcomeReport(DecisionName(each), 1) for each in singles]
        reports += [OutcomeReport(DecisionName(whole, row), 0) for row in (0, 1)]
        assert len(archive.report(reports, lambda: datetime.now(UTC), "auditor").new) == 22
    with connected(pooled_url) as connection:
        assert len(connection.scalars(select(decisions.c.id)).all()) == 80
        assert connection.scalar(text("SHOW statement_timeout")) == "5s"


@contextmanager
def _locked(folder: Path) -> Iterator[str]:
    url = f"sqlite:///{folder}/decisions.db"
    upgrade_database(url)
    with closing(sqlite3.connect(folder / "decisions.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        yield url


@contextmanager
def _unmigrated(folder: Path) -> Iterator[str]:
    (folder / "decisions.db").touch()
    yield f"sqlite:///{folder}/decisions.db"


@contextmanager
def _text_file(folder: Path) -> Iterator[str]:
    (folder / "decisions.db").write_bytes(b"this is no database at all, whatever its name says")
    yield f"sqlite:///{folder}/decisions.db"


@contextmanager
def _missing(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/decisions.db"


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (_locked, "the database is locked"),
        (_unmigrated, "the database is not migrated: run `python -m loan_api init`"),
        (_text_file, "the database's file is not an SQLite database"),
        (_missing, "the database's file is missing or cannot be opened"),
    ],
)
def test_each_failure_of_sqlite_names_its_cause(
    tmp_path: Path, broken: Callable[[Path], Iterator[str]], cause: str
) -> None:
    with broken(tmp_path) as url:  # type: ignore[attr-defined]
        assert _failure(url) == cause


CREDENTIALS = "the database rejects the user name or password in DATABASE_URL"
TLS = "the encrypted (TLS) connection to the database failed: check sslmode, the certificates and the server's settings"
ROLE = "the database server is not in the state that target_session_attrs demands"
POOLER = (
    "the connection pooler rejects a parameter in DATABASE_URL: move `options` to the database's user"
    " (ALTER ROLE … SET …), or list it in the pooler's ignore_startup_parameters"
)


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("loan:secret", "loan:hunter2", CREDENTIALS),
        ("loan:secret", "loan", CREDENTIALS),
        ("loan:secret", "stranger:hunter2", CREDENTIALS),
        ("/test_", "/missing_", "the database named in DATABASE_URL does not exist on the server"),
        ("127.0.0.1", "database.invalid", "the database's host name cannot be resolved"),
        ("?", "?sslmode=require", TLS),
        ("?", "?options=-cnonsense%3D1", "a connection parameter in DATABASE_URL is not valid"),
        ("?", "?nonsense=1", "a connection parameter in DATABASE_URL is not valid"),
        ("?", "?target_session_attrs=standby", ROLE),
        ("?", "", "the database is not migrated: run `python -m loan_api init`"),
    ],
)
def test_each_failure_of_postgresql_names_its_cause(postgresql: Server, old: str, new: str, cause: str) -> None:
    url = f"{postgresql.new_database()}?"
    assert old in url
    assert _failure(url.replace(old, new)) == cause


def test_a_port_on_which_nothing_listens_is_named_as_such() -> None:
    assert _failure("postgresql://loan:secret@127.0.0.1:1/decisions") == "nothing answers at the database's address"


def test_a_user_without_privileges_is_named_as_such(postgresql: Server) -> None:
    url = postgresql.new_database()
    upgrade_database(url)
    postgresql.execute("DROP ROLE IF EXISTS reader")
    postgresql.execute("CREATE ROLE reader LOGIN PASSWORD 'secret'")
    cause = "the database's user lacks a privilege that the service needs"
    assert _failure(url.replace("loan:", "reader:")) == cause


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("loan:secret", "loan:hunter2", CREDENTIALS),
        ("?", "?options=-csearch_path%3Dloans", POOLER),
        ("/test_", "/missing_", "the database named in DATABASE_URL does not exist on the server"),
    ],
)
def test_each_failure_of_a_pooler_names_its_cause(pooled_url: str, old: str, new: str, cause: str) -> None:
    assert old in f"{pooled_url}?"
    assert _failure(f"{pooled_url}?".replace(old, new)) == cause


def test_a_pooler_that_does_not_reach_its_database_is_named_as_such(pooled_url: str) -> None:
    unreachable = pooled_url.rpartition("/")[0] + "/unreachable"
    assert _failure(unreachable) in (
        "the connection pooler does not reach the database",
        "the database does not answer in time",
    )


def _failure(url: str) -> str:
    """Return the explanation, which must be the same for writes and lookups."""
    with pytest.raises(StorageError) as looked_up, connected(url):
        pytest.fail("the database can be used")
    writer = DecisionWriter(url)
    with pytest.raises(StorageError) as written:
        writer.write([], [])
    writer.close()
    message = str(looked_up.value)
    assert message == str(written.value)
    for secret in ("secret", "hunter2", "stranger", "127.0.0.1"):
        assert secret not in message
    return message
