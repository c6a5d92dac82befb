"""Fixtures for the API created by `create_app` with fake adapters."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from loan_api.services.admission import ByteBudget, LoadShedder
from loan_api.services.audit import Archive
from loan_api.services.reasons import Explainer
from loan_api.settings import read_settings
from tests.support.fakes import FakeKeySource, FakeLog, FakeModelSource, FakePolicySource, now
from tests.support.services import client_of

MakeClient = Callable[..., FlaskClient]


@pytest.fixture
def make_client(tmp_path: Path) -> MakeClient:
    """Return a factory of clients for a service with the given adapters and environment."""

    def make(
        source: FakeModelSource | None = None,
        log: FakeLog | None = None,
        *,
        keys: FakeKeySource | None = None,
        policies: FakePolicySource | None = None,
        archive: Archive | None = None,
        shedder: LoadShedder | None = None,
        budget: ByteBudget | None = None,
        now: Callable[[], datetime] = now,
        explainer: Explainer | None = None,
        **environ: str,
    ) -> FlaskClient:
        settings = read_settings({"LOAN_HOME": str(tmp_path), "MODEL_POLL_SECONDS": "3600"} | environ)
        return client_of(
            settings,
            models=source,
            log=log,
            keys=keys,
            policies=policies,
            archive=archive,
            shedder=shedder,
            budget=budget,
            now=now,
            explainer=explainer,
        )

    return make


@pytest.fixture
def client(make_client: MakeClient) -> FlaskClient:
    """Return a client of a service whose approval probability rises with the credit score."""
    return make_client()


@pytest.fixture
def metrics_credentials(tmp_path: Path) -> Callable[[], tuple[str, str]]:
    """Return a function for the user name and password of /metrics, available once the service is created."""
    return lambda: ("prometheus", (tmp_path / "metrics_password").read_text(encoding="utf-8").strip())
