"""The API through `create_app`, with fakes for everything outside."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from loan_api.app import Adapters, create_app
from loan_api.services.audit import Archive
from loan_api.settings import read_settings
from tests.fakes import FakeKeySource, FakeLog, FakeModelSource, InlineBatches, NoArchive, now

MakeClient = Callable[..., FlaskClient]


@pytest.fixture
def make_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeClient:
    """Makes a client of a service with the given model source, decision log, API keys, archive and environment."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)

    def make(
        source: FakeModelSource | None = None,
        log: FakeLog | None = None,
        keys: FakeKeySource | None = None,
        archive: Archive | None = None,
        **environ: str,
    ) -> FlaskClient:
        log = log or FakeLog()
        settings = read_settings({"LOAN_HOME": str(tmp_path), "MODEL_POLL_SECONDS": "3600"} | environ)
        adapters = Adapters(
            models=source or FakeModelSource(),
            batches=InlineBatches(log),
            log=log,
            archive=archive or NoArchive(),
            keys=keys or FakeKeySource(),
            now=now,
            new_id=lambda: "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1",
        )
        return create_app(settings, adapters).test_client()

    return make


@pytest.fixture
def client(make_client: MakeClient) -> FlaskClient:
    """A client of a service whose model grows more willing with the credit score."""
    return make_client()


@pytest.fixture
def metrics_credentials(tmp_path: Path) -> Callable[[], tuple[str, str]]:
    """User name and password for /metrics, once the service is made."""
    return lambda: ("prometheus", (tmp_path / "metrics_password").read_text(encoding="utf-8").strip())
