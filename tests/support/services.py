"""In-process API created by `create_app`, with fakes for all adapters that a test does not provide."""

from collections.abc import Callable
from datetime import datetime

from flask.testing import FlaskClient

from loan_api.adapters.keys.followed import NoKeys
from loan_api.app import Adapters, create_app
from loan_api.credit.form import read_form
from loan_api.services.access import KeySource
from loan_api.services.admission import ByteBudget, LoadShedder
from loan_api.services.audit import Archive
from loan_api.services.health import HealthService
from loan_api.services.model_registry import ModelRegistry, ModelSource
from loan_api.services.policy import NoPolicy, PolicySource
from loan_api.services.reasons import Explainer, ModelFiles
from loan_api.services.reviews import ReviewStore
from loan_api.settings import Settings
from tests.support.fakes import (
    FakeFiles,
    FakeKeySource,
    FakeLog,
    FakeModelSource,
    InlineBatches,
    InlineExplainer,
    NoArchive,
    NoReviews,
    RecordingObserver,
    now,
)

NEW_ID = "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"


def client_of(
    settings: Settings,
    *,
    models: ModelSource | None = None,
    log: FakeLog | None = None,
    archive: Archive | None = None,
    reviews: ReviewStore | None = None,
    keys: KeySource | None = None,
    policies: PolicySource | None = None,
    shedder: LoadShedder | None = None,
    budget: ByteBudget | None = None,
    now: Callable[[], datetime] = now,
    files: ModelFiles | None = None,
    explainer: Explainer | None = None,
) -> FlaskClient:
    """Create a client of a service with a stopped clock, constant ids (`NEW_ID`) and no threads."""
    log = log or FakeLog()
    adapters = Adapters(
        models=models or FakeModelSource(),
        files=files or FakeFiles(),
        batches=InlineBatches(log, read_form(settings.features_path)),
        explainer=explainer or InlineExplainer(),
        log=log,
        archive=archive or NoArchive(),
        reviews=reviews or NoReviews(),
        keys=keys or NoKeys(),
        policies=policies or NoPolicy(),
        now=now,
        new_id=lambda _: NEW_ID,
        run_forever=lambda _: None,
        shedder=shedder or LoadShedder(1.0, lambda: None),
        budget=budget or ByteBudget(settings.max_held_bytes, queue_length=0, patience=0),
    )
    return create_app(settings, adapters).test_client()


def health_of(source: FakeModelSource, log: FakeLog) -> HealthService:
    registry = ModelRegistry(source, RecordingObserver(), now)
    registry.refresh()
    return HealthService(registry, log, FakeKeySource(), NoPolicy(), now)
