"""Fixtures for tests with a real MLflow or a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loan_api.adapters.storage.migration import upgrade_database
from tests.support.ledger import Ledger
from tests.support.postgresql import Server

DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))


@pytest.fixture(autouse=True)
def _no_artifacts_elsewhere() -> Iterator[None]:
    """Check that MLflow writes only under LOAN_HOME."""
    yield
    assert not Path("mlruns").exists()


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Provide a missing or empty database; tests run on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/folder/decisions.db"
    server: Server = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture(params=DATABASES)
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Provide an empty database at the newest revision; tests run on both kinds."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/new/folder/decisions.db"
        upgrade_database(url)
        return url
    server: Server = request.getfixturevalue("postgresql")
    return server.migrated_database()


@pytest.fixture
def ledger(migrated_url: str) -> Ledger:
    """Provide a ledger that writes decisions into a database; tests run on both kinds."""
    return Ledger(migrated_url)
