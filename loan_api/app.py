"""The composition root: settings → form → adapters → services → blueprints. The only module that wires.

`create_app` builds the service from `Adapters`: `real_adapters` in production, fakes in tests.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flask import Flask
from prometheus_client import CollectorRegistry

from loan_api.adapters.batches.pool import BatchProcesses
from loan_api.adapters.ipc.background import loop_iteration, run_forever, run_in_thread, wait_until_idle
from loan_api.adapters.ipc.child_process import ChildProcess
from loan_api.adapters.ipc.connection_queue import ConnectionQueue
from loan_api.adapters.ipc.handover import Handover
from loan_api.adapters.keys.followed import FollowedKeys, NoKeys
from loan_api.adapters.metrics import multiprocess
from loan_api.adapters.metrics.observers import Observers
from loan_api.adapters.metrics.slots import metrics_folder
from loan_api.adapters.metrics.tallies import TallyBook
from loan_api.adapters.policy.followed import FollowedPolicy
from loan_api.adapters.recording.connection import RecorderConnection
from loan_api.adapters.recording.group_commit import GroupCommit, RecordingObserver
from loan_api.adapters.recording.journal import waiting_journals
from loan_api.adapters.recording.lifetime import RecorderLock, SharedRecorder
from loan_api.adapters.recording.shortcut import Shortcut
from loan_api.adapters.registry.cache import ModelCache
from loan_api.adapters.registry.cached_files import CachedModelFiles
from loan_api.adapters.registry.cached_source import CachedModelSource
from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.adapters.storage.reviews import DatabaseReviews
from loan_api.credit.form import Form, FormError, parse_form, read_form
from loan_api.entrypoints.desk.pages import DeskServices, register_desk
from loan_api.entrypoints.http.endpoints import Collaborators, Limits, register_endpoints
from loan_api.entrypoints.http.headers import protect_answers
from loan_api.entrypoints.http.problems import register_problem_handlers
from loan_api.entrypoints.http.requests import foreseeable_answers, observe_requests
from loan_api.formats.applications import ApplicationCodec
from loan_api.home import sqlite_path
from loan_api.secrets import read_or_make_password
from loan_api.services.access import Access, KeySource
from loan_api.services.admission import ByteBudget, LoadShedder, Places
from loan_api.services.audit import Archive, AuditService
from loan_api.services.decision_id import new_id
from loan_api.services.decision_log import DecisionLog, NoDecisionLog
from loan_api.services.drift import DriftService
from loan_api.services.health import HealthService
from loan_api.services.model_registry import ModelRegistry, ModelSource
from loan_api.services.policy import NoPolicy, PolicyService, PolicySource
from loan_api.services.prediction import BatchRunner, PredictionService
from loan_api.services.reasons import Explainer, ModelFiles, ReasonsService
from loan_api.services.reviews import ReviewService, ReviewStore
from loan_api.settings import Settings, SettingsError, read_settings

# How often a worker reads the desired version from the cache, which is cheap.
_LOOK_EVERY_SECONDS = 0.5
# How often a worker counts the undecided referrals, for metrics.
_COUNT_REVIEWS_EVERY_SECONDS = 30.0
# A longer iteration of the event loop makes the service shed single requests; batches may wait for a while.
_LONGEST_ITERATION_SECONDS = 0.25
_WAITING_BATCHES = 64
_WAITING_SECONDS = 10.0
# Explanations in progress in a worker: more would wait for each other in the batch processes.
_EXPLANATIONS = 16
# The longest wait of the first decision in a group commit for others to join.
_GROUPING_SECONDS = 0.002
# A worker waits this fraction of the usual time for SQLite's lock, then hands the decision to the recorder.
_SHORTCUT_PATIENCE = 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Adapters:
    """The driven side of the service. Tests pass fakes."""

    models: ModelSource
    files: ModelFiles
    batches: BatchRunner
    explainer: Explainer
    log: DecisionLog
    archive: Archive
    reviews: ReviewStore
    keys: KeySource
    policies: PolicySource
    now: Callable[[], datetime]
    new_id: Callable[[datetime], str]
    run_forever: Callable[[Callable[[], None]], None]
    shedder: LoadShedder
    budget: ByteBudget


def real_adapters(
    settings: Settings, codec: ApplicationCodec, handover: Handover, recording: RecordingObserver
) -> Adapters:
    """Create the adapters for production: registry, batch processes, decision log, API keys, clock, ids, threads.

    Raises SettingsError if the file of API keys or the policy is unusable.
    """
    keys = FollowedKeys(settings.api_keys_file, handover.kept_keys) if settings.api_keys_file else NoKeys()
    policies = (
        FollowedPolicy(codec.form, settings.policy_path, handover.kept_policy) if settings.policy_path else NoPolicy()
    )
    follower = ChildProcess("loan_api.entrypoints.processes.registry_follower")
    log = _decision_log(settings, handover, recording)
    process = ChildProcess(
        "loan_api.entrypoints.processes.batch_process",
        handover,
        [handover.batch_queue.receiving, handover.recorder_queue.sending],
    )
    cache = ModelCache.of(settings.home.models, settings.mlflow_tracking_uri, settings.model_name, settings.model_stage)
    batches = BatchProcesses(codec, ConnectionQueue.of(handover.batch_queue), process, log.record)
    return Adapters(
        models=CachedModelSource(
            codec.form, cache, follower, settings.model_poll_seconds, handover.server_start, run_in_thread
        ),
        files=CachedModelFiles(cache, follower, run_in_thread),
        batches=batches,
        explainer=batches,
        log=log,
        archive=DatabaseArchive(codec.form, settings.database_url, run_in_thread),
        reviews=DatabaseReviews(settings.database_url, run_in_thread),
        keys=keys,
        policies=policies,
        now=lambda: datetime.now(UTC),
        new_id=new_id,
        run_forever=run_forever,
        shedder=LoadShedder(_LONGEST_ITERATION_SECONDS, loop_iteration()),
        budget=ByteBudget(settings.max_held_bytes, _WAITING_BATCHES, _WAITING_SECONDS),
    )


def _decision_log(settings: Settings, handover: Handover, observer: RecordingObserver) -> DecisionLog:
    if settings.decision_log == "off":
        _log.warning("decisions are not recorded", extra={"why": "DECISION_LOG is off"})
        waiting = [str(path) for path in waiting_journals(settings.home.journals)]
        if waiting:
            _log.warning(
                "decisions wait in the journal",
                extra={"files": waiting, "remedy": "start with DECISION_LOG=on to write them to the database"},
            )
        return NoDecisionLog()
    process = ChildProcess(
        "loan_api.entrypoints.processes.recorder",
        handover,
        [handover.recorder_queue.receiving, handover.lifeline.receiving],
    )
    recorder = SharedRecorder(RecorderLock(settings.home.recorder_lock(handover.server_start)), process)
    queue = ConnectionQueue.of(handover.recorder_queue)
    record = RecorderConnection(queue.sending, recorder.ensure_running).record
    if sqlite_path(settings.database_url) is not None:
        record = Shortcut(DecisionWriter(settings.database_url, patience=_SHORTCUT_PATIENCE).write, record).record
    return GroupCommit(
        record,
        recorder.ensure_running,
        observer,
        let_others_join=lambda: wait_until_idle(_GROUPING_SECONDS),
    )


def _form(settings: Settings, handover: Handover | None) -> Form:
    """Return the form that the server started with. Raises SettingsError if it is not valid."""
    try:
        return read_form(settings.features_path) if handover is None else parse_form(handover.form)
    except FormError as error:
        raise SettingsError("\n".join(f"FEATURES_PATH: {problem}" for problem in error.problems)) from error


def _metrics_password(file: Path) -> str:
    """Return the password for /metrics, or a random one if the file is unusable: decisions do not depend on it."""
    try:
        return read_or_make_password(file)
    except (OSError, SettingsError) as error:
        _log.error("metrics are closed", extra={"why": "no password", "error": type(error).__name__})
        return secrets.token_urlsafe()


def _desk_secret(file: Path) -> str | None:
    """Return the secret of the desk, or None if the file is unusable: decisions do not depend on it."""
    try:
        return read_or_make_password(file)
    except (OSError, SettingsError) as error:
        _log.error("the desk is closed", extra={"why": "no secret", "error": type(error).__name__})
        return None


def create_app(settings: Settings | None = None, adapters: Adapters | None = None) -> Flask:
    """Create the service, load its model and start following the registry. Raises SettingsError.

    Call it in the worker, after the fork: model, threads and connections belong to one process.
    """
    settings = settings or read_settings()
    metrics_registry = CollectorRegistry()
    folder = metrics_folder()
    handover = Handover.read()
    tallies = TallyBook(folder, handover.slot if handover else 0)
    form = _form(settings, handover)
    codec = ApplicationCodec(form)
    observers = Observers.in_registry(metrics_registry, tallies, form.names)
    adapters = adapters or real_adapters(settings, codec, handover or Handover.create(form.text), observers.recording)

    registry = ModelRegistry(adapters.models, observers.reloads, adapters.now)
    policies = PolicyService(adapters.policies, adapters.log, observers.predictions, adapters.now, adapters.new_id)
    predictions = PredictionService(
        registry,
        policies,
        adapters.batches,
        adapters.log,
        observers.predictions,
        adapters.now,
        adapters.new_id,
        settings.max_batch_rows,
    )
    audit = AuditService(
        adapters.archive,
        adapters.log,
        observers.outcomes,
        adapters.now,
        journals_wait=lambda: bool(waiting_journals(settings.home.journals)),
    )
    reasons = ReasonsService(
        form, registry, audit.find, adapters.files, adapters.explainer, Places(_EXPLANATIONS), adapters.archive.policy
    )
    reviews = ReviewService(adapters.reviews, audit.find, observers.reviews, adapters.now)
    health = HealthService(registry, adapters.log, adapters.keys, adapters.policies, adapters.now)
    access = Access(adapters.keys, observers.access)

    app = Flask("loan_api", static_folder=None)
    # Merging slashes would redirect to whatever Host the client sends.
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the default provider
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    observe_requests(app, observers.http)
    protect_answers(app)
    register_problem_handlers(app)
    expose = partial(multiprocess.expose, metrics_registry, tallies, folder)
    document = register_endpoints(
        app,
        codec,
        Collaborators(
            predictions, adapters.shedder, adapters.budget, health, registry, audit, reasons, reviews, access, expose
        ),
        Limits(settings.max_batch_rows, settings.max_request_bytes),
        (settings.metrics_username, _metrics_password(settings.metrics_password_file)),
    )
    register_desk(
        app,
        codec,
        DeskServices(
            access,
            predictions,
            registry,
            policies,
            audit,
            reasons,
            reviews,
            adapters.shedder,
            health,
            DriftService(registry, tallies.kept),
        ),
        _desk_secret(settings.desk_secret_file),
        adapters.now,
    )

    observers.http.expect(foreseeable_answers(app, document))
    registry.refresh()
    policies.announce()
    adapters.log.start()
    adapters.batches.start()
    adapters.run_forever(partial(registry.watch, _LOOK_EVERY_SECONDS))
    adapters.run_forever(partial(policies.watch, _LOOK_EVERY_SECONDS))
    adapters.run_forever(partial(reviews.watch, _COUNT_REVIEWS_EVERY_SECONDS))
    return app
