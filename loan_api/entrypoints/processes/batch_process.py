"""Score batches and explain decisions for a web worker, which starts and stops this process.

The process has a lower priority (nice), so that single decisions go first.
"""

import logging.config
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from loan_api.adapters.batches.server import BatchServer
from loan_api.adapters.ipc.handover import Handover
from loan_api.adapters.recording.connection import RecorderConnection
from loan_api.adapters.recording.protocol import Records
from loan_api.adapters.registry.pipelines import load_pipeline
from loan_api.credit.form import Form, parse_form
from loan_api.formats.applications import ApplicationCodec
from loan_api.logs import logging_config
from loan_api.scoring.compiled import CompiledForm, CompiledScorer, read_why_not
from loan_api.scoring.package import ReferencePackage
from loan_api.scoring.scorer import Scorer
from loan_api.scoring.watched import WatchedDistribution
from loan_api.services.batch_job import BatchJob
from loan_api.services.decision_log import BatchRecord
from loan_api.services.explanation import ExplainedModel
from loan_api.settings import Settings, read_settings

_NICENESS = 10
# For the libraries and two models, with room to spare.
_BASE_BYTES = 512 * 2**20
# A body is copied while it is decoded. Explaining an invalid row takes half of the bytes per row.
_BODY_COPIES = 4
_BYTES_PER_ROW = 8 * 2**10


def main() -> None:
    """Serve until standard input ends."""
    handover = Handover.read()
    if handover is None:
        sys.exit("This process is started by a worker of the service.")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(_NICENESS)
    settings = read_settings()
    resource.setrlimit(resource.RLIMIT_DATA, (memory_limit(settings), memory_limit(settings)))
    # Arrow's default allocator reserves 1 GiB of address space upfront, which counts towards the limit.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    logging.config.dictConfig(logging_config(settings.log_level))
    record = _recording(settings, socket.socket(fileno=handover.recorder_queue.sending))
    batches = socket.socket(fileno=handover.batch_queue.receiving)
    form = parse_form(handover.form)
    models = _Models(form)
    BatchServer(ApplicationCodec(form), batches, sys.stdin.fileno(), models.of, models.explained, record).serve()


def memory_limit(settings: Settings) -> int:
    """Return the most bytes that a batch process may allocate; a batch that needs more is refused with a 413."""
    return _BASE_BYTES + _BODY_COPIES * settings.max_request_bytes + _BYTES_PER_ROW * settings.max_batch_rows


def _recording(settings: Settings, queue: socket.socket) -> Callable[[BatchRecord], object]:
    if settings.decision_log == "off":
        return lambda _: None
    connection = RecorderConnection(queue)
    return lambda record: connection.record(Records.of([record]))


class _Models:
    """The served model and, during a change, its predecessor; and the same number of models that explain decisions."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._load = lru_cache(maxsize=2)(self._loaded)
        self.explained = lru_cache(maxsize=2)(self._explained)

    def of(self, job: BatchJob) -> tuple[Scorer, WatchedDistribution]:
        """Return the model that the worker has verified and chosen."""
        return self._load(job.artifact, job.scorer)

    def _loaded(self, artifact: str, scorer: str) -> tuple[Scorer, WatchedDistribution]:
        package = ReferencePackage.read(Path(artifact))
        form = package.model_form(self._form)
        return _scorer(form, Path(artifact), scorer), WatchedDistribution(form, package.distribution)

    def _explained(self, artifact: str) -> ExplainedModel:
        """Return the model in the folder, whose files the worker has verified, for explanations."""
        folder = Path(artifact)
        name = CompiledScorer.name if read_why_not(folder) is None else "pipeline"
        package = ReferencePackage.read(folder)
        scorer = _scorer(package.model_form(self._form), folder, name)
        return ExplainedModel(self._form, scorer, package)


def _scorer(form: Form, artifact: Path, name: str) -> Scorer:
    if name == CompiledScorer.name:
        return CompiledForm.read(form, artifact).scorer()
    from loan_api.scoring.pipeline import PipelineScorer

    return PipelineScorer(form, load_pipeline(artifact))


if __name__ == "__main__":
    main()
