"""What the tests with a real MLflow or a real database share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgresql import Server, running_server


@pytest.fixture(autouse=True)
def _no_artifacts_elsewhere() -> Iterator[None]:
    """Everything that MLflow writes lies under LOAN_HOME."""
    yield
    assert not Path("mlruns").exists()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server for the whole run; a test that stops it starts it again."""
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is not there yet, or is empty: each test runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/folder/decisions.db"
    server: Server = request.getfixturevalue("postgresql")
    return server.new_database()
