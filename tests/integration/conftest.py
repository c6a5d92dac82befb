"""What the tests with a real MLflow or a real database share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loan_api.adapters.storage.migration import upgrade_database
from tests.support.ledger import Ledger
from tests.support.postgresql import Server


@pytest.fixture(autouse=True)
def _no_artifacts_elsewhere() -> Iterator[None]:
    """Everything that MLflow writes lies under LOAN_HOME."""
    yield
    assert not Path("mlruns").exists()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is not there yet, or is empty: each test runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/folder/decisions.db"
    server: Server = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database at the newest revision, with nothing in it: each test runs on both kinds."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/new/folder/decisions.db"
        upgrade_database(url)
        return url
    server: Server = request.getfixturevalue("postgresql")
    return server.migrated_database()


@pytest.fixture
def ledger(migrated_url: str) -> Ledger:
    """Writes decisions into a database of either kind."""
    return Ledger(migrated_url)
