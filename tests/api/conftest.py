"""The API through `create_app`, with fakes for everything outside."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from loan_api.services.audit import Archive
from loan_api.settings import read_settings
from tests.support.fakes import FakeKeySource, FakeLog, FakeModelSource
from tests.support.services import client_of

MakeClient = Callable[..., FlaskClient]


@pytest.fixture
def make_client(tmp_path: Path) -> MakeClient:
    """Makes a client of a service with the given model source, decision log, API keys, archive and environment."""

    def make(
        source: FakeModelSource | None = None,
        log: FakeLog | None = None,
        keys: FakeKeySource | None = None,
        archive: Archive | None = None,
        **environ: str,
    ) -> FlaskClient:
        settings = read_settings({"LOAN_HOME": str(tmp_path), "MODEL_POLL_SECONDS": "3600"} | environ)
        return client_of(settings, models=source, log=log, keys=keys, archive=archive)

    return make


@pytest.fixture
def client(make_client: MakeClient) -> FlaskClient:
    """A client of a service whose model grows more willing with the credit score."""
    return make_client()


@pytest.fixture
def metrics_credentials(tmp_path: Path) -> Callable[[], tuple[str, str]]:
    """User name and password for /metrics, once the service is made."""
    return lambda: ("prometheus", (tmp_path / "metrics_password").read_text(encoding="utf-8").strip())
