"""Batches in separate processes get the same answers, whatever happens to processes and clients."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from loan_api.adapters.batches.pool import BatchProcesses
from loan_api.adapters.batches.server import BatchServer
from loan_api.adapters.ipc.child_process import ChildProcess
from loan_api.adapters.ipc.connection_queue import ConnectionQueue, Ends
from loan_api.adapters.ipc.handover import Handover
from loan_api.adapters.recording.protocol import Receipt, decode_records
from loan_api.adapters.recording.server import RecorderServer
from loan_api.errors import (
    BatchFailedError,
    BatchTooLargeError,
    ClientGoneError,
    NotRecordedError,
    SaturatedError,
)
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.batch_content import unpack
from loan_api.formats.codecs import ARROW, CSV, JSON, MEDIA_TYPES, NDJSON, PARQUET
from loan_api.formats.refusals import MalformedBodyError, RequestRefusedError
from loan_api.scoring.compiled import CompiledForm
from loan_api.scoring.package import ReferencePackage
from loan_api.scoring.scorer import Scorer
from loan_api.scoring.watched import WatchedDistribution
from loan_api.services.batch_job import BatchJob, run_batch
from loan_api.services.decision_log import BatchRecord, Decider, LogState
from loan_api.services.explanation import ExplainedModel
from loan_api.services.model_registry import ServedModel
from tests.support.applications import application
from tests.support.batch_bodies import WRITERS, file_of, stream_of
from tests.support.bombs import arrow_bomb, parquet_bomb, saying_small_sizes, shared_prefix, sharing
from tests.support.fakes import NOW, FakeLog, model_version, served_model
from tests.support.forms import SHIPPED
from tests.support.homes import TrainedHome
from tests.support.waiting import wait_until

ROWS = 2000
CODEC = ApplicationCodec(SHIPPED)
DECIDER = Decider("loan_approval_model", "1", "1.0.0", 0.5)


class FakeRecorder:
    """A recorder that keeps all records, and acknowledges or refuses them."""

    def __init__(self) -> None:
        self.queue = ConnectionQueue.make()
        self.refusal: str | None = None
        self.batches: list[BatchRecord] = []
        lifeline, _ = os.pipe()
        server = RecorderServer(self.queue.receiving, lifeline, self._record)
        threading.Thread(target=server.serve, daemon=True).start()

    def _record(self, payloads: Sequence[bytes]) -> Receipt:
        self.batches += [batch for payload in payloads for batch in decode_records(payload).batches]
        return Receipt(LogState("database"), 0.0, self.refusal)


@pytest.fixture(scope="module")
def recorder() -> FakeRecorder:
    return FakeRecorder()


def batch_process(batches: ConnectionQueue, recorder: ConnectionQueue) -> ChildProcess:
    """Return a batch process that receives from `batches` and records through `recorder`."""
    descriptors = batches.receiving.fileno(), recorder.sending.fileno()
    handover = Handover(0.0, Ends(-1, descriptors[0]), Ends(descriptors[1], -1), Ends(-1, -1), SHIPPED.text)
    return ChildProcess("loan_api.entrypoints.processes.batch_process", handover, descriptors)


@dataclass
class Bench:
    """A worker's side of the queue, one batch process, and the model to score with."""

    processes: BatchProcesses
    own: ChildProcess
    model: ServedModel
    job: BatchJob

    def run(self, body: bytes, **changes: Any) -> tuple[Any, bytes]:
        summary, pieces = self.processes.run(replace_job(self.job, **changes), [body], self.model, lambda: False)
        return summary, b"".join(pieces)


class HalfScorer:
    """Scorer with a constant probability of one half."""

    name = "half"
    relevant_features = None

    def probability(self, _: object) -> float:
        return 0.5

    def probabilities(self, applications: Any) -> Any:
        return np.full(len(applications["loan_term"]), 0.5)


def replace_job(job: BatchJob, **changes: Any) -> BatchJob:
    values = {name: getattr(job, name) for name in BatchJob.__struct_fields__}
    return BatchJob(**(values | changes))


def batch_of(rows: int, **changes: Any) -> bytes:
    return json.dumps({"instances": [application(**changes)] * rows}).encode()


@pytest.fixture(scope="module")
def bench(trained_home: TrainedHome, recorder: FakeRecorder) -> Iterator[Bench]:
    artifact = next(trained_home.settings.home.artifacts.glob("models/*/artifacts"))
    watched_as_trained = WatchedDistribution(SHIPPED, ReferencePackage.read(artifact).distribution)
    model = ServedModel(
        model_version(), CompiledForm.read(SHIPPED, artifact).scorer(), watched_as_trained, artifact, NOW
    )
    queue = ConnectionQueue.make()
    own = batch_process(queue, recorder.queue)
    job = BatchJob(str(artifact), "compiled", DECIDER, JSON, JSON, 10_000, "id-1", "request-1", NOW)
    yield Bench(BatchProcesses(CODEC, queue, own, FakeLog().record), own, model, job)
    own.end()
    queue.close()


def test_the_process_answers_as_this_process_would(bench: Bench) -> None:
    body = batch_of(ROWS, cibil_score=400)
    summary, answer = bench.run(body)
    expected_summary, pieces = run_batch(
        CODEC, bench.job, body, bench.model.scorer, bench.model.watched, FakeLog().record, lambda: False
    )
    given, expected = json.loads(answer), json.loads(b"".join(pieces))
    assert given.pop("processing_time")
    assert expected.pop("processing_time")
    assert given == expected
    assert (summary.rows, summary.approved) == (ROWS, expected_summary.approved)
    assert summary.probability_counts == expected_summary.probability_counts


def test_the_process_has_a_batch_recorded_before_it_answers(bench: Bench, recorder: FakeRecorder) -> None:
    bench.run(batch_of(ROWS, cibil_score=400), batch_id="id-2")
    record = next(batch for batch in recorder.batches if batch.batch_id == "id-2")
    assert (record.request_id, record.decider, record.rows) == ("request-1", DECIDER, ROWS)
    applications, probabilities, *_ = unpack(SHIPPED, record.content)
    assert applications["cibil_score"].tolist() == [400] * ROWS
    assert len(probabilities) == ROWS


def test_a_batch_that_cannot_be_recorded_is_not_answered(bench: Bench, recorder: FakeRecorder) -> None:
    recorder.refusal = "The journal is full."
    try:
        with pytest.raises(NotRecordedError, match="The journal is full"):
            bench.run(batch_of(ROWS))
    finally:
        recorder.refusal = None


def test_lines_come_back_in_pieces(bench: Bench) -> None:
    body = b"\n".join([json.dumps(application()).encode()] * ROWS)
    summary, pieces = bench.processes.run(
        replace_job(bench.job, accepts=NDJSON, answers=CSV), [body], bench.model, lambda: False
    )
    assert summary.rows == ROWS
    assert len(list(pieces)) == 3


def test_refusals_come_back_whole(bench: Bench) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        bench.run(batch_of(ROWS, cibil_score=0))
    assert refused.value.refusals.total == ROWS
    assert refused.value.refusals.counts == {("cibil_score", "range"): ROWS}
    assert len(refused.value.refusals.shown) == 100


def test_other_errors_come_back_as_what_they_are(bench: Bench) -> None:
    with pytest.raises(MalformedBodyError, match="not valid JSON"):
        bench.run(b"[" * 100_000)
    with pytest.raises(BatchTooLargeError):
        bench.run(batch_of(ROWS), max_rows=ROWS - 1)
    with pytest.raises(BatchFailedError, match="FileNotFoundError"):
        bench.run(batch_of(ROWS), artifact="/no/such/model")
    bench.run(batch_of(ROWS))


def test_the_process_that_scored_with_another_model_scores_with_this_one(
    bench: Bench, twice_trained_home: TrainedHome
) -> None:
    """Switch models in one process, as every job names its model by path."""
    artifacts = list(twice_trained_home.settings.home.artifacts.glob("models/*/artifacts"))
    assert len(artifacts) == 2
    for artifact in artifacts:
        decider = Decider("loan_approval_model", "1", artifact.parent.name, 0.5)
        _, answer = bench.run(batch_of(ROWS), artifact=str(artifact), decider=decider)
        assert json.loads(answer)["model_version"] == artifact.parent.name


def test_a_batch_whose_process_is_killed_is_handed_to_another(bench: Bench) -> None:
    bench.run(batch_of(ROWS))
    rows: list[int] = []

    def score() -> None:
        rows.extend(bench.run(batch_of(10_000))[0].rows for _ in range(10))

    with ThreadPoolExecutor(1) as pool:
        scored = pool.submit(score)
        wait_until(lambda: len(rows) >= 3 or scored.done(), "some batches to be scored")
        assert bench.own.pid is not None
        os.kill(bench.own.pid, signal.SIGKILL)
        scored.result(60)
    assert rows == [10_000] * 10


BOMBS: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "a compressed stream": (ARROW, lambda: arrow_bomb(2_000_000_000)),
    "a compressed stream within the limit": (ARROW, lambda: arrow_bomb(120_000_000)),
    "a compressed file": (PARQUET, lambda: parquet_bomb(1_000_000_000)),
    "a file that claims to be small": (PARQUET, lambda: saying_small_sizes(parquet_bomb(120_000_000))),
    "a shared text in a stream": (ARROW, lambda: stream_of(sharing(pa.dictionary(pa.int16(), pa.string())))),
    "a shared text in views": (ARROW, lambda: stream_of(sharing(pa.string_view()))),
    "a shared text in a file": (PARQUET, lambda: file_of(sharing(pa.dictionary(pa.int16(), pa.string())))),
    "a shared prefix": (PARQUET, shared_prefix),
    "millions of empty objects": (NDJSON, lambda: b"{}\n" * 5_000_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_batch_that_needs_too_much_memory_is_refused_and_the_process_goes_on(bench: Bench, name: str) -> None:
    media_type, make = BOMBS[name]
    bench.run(batch_of(ROWS))
    pid = bench.own.pid
    body = make()
    assert len(body) < 16_000_000
    with pytest.raises(BatchTooLargeError):
        bench.run(body, accepts=media_type)
    bench.run(batch_of(ROWS))
    assert bench.own.pid == pid


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_the_largest_batch_fits_into_the_memory_limit(bench: Bench, media_type: str) -> None:
    """Include reasons for every row, the largest case."""
    summary, _ = bench.run(WRITERS[media_type]([application()] * 10_000), accepts=media_type)
    assert summary.rows == 10_000
    invalid = application(cibil_score=0, education="x", loan_term=-1)
    with pytest.raises(RequestRefusedError) as refused:
        bench.run(WRITERS[media_type]([invalid] * 10_000), accepts=media_type)
    assert refused.value.refusals.total == 30_000


def test_a_batch_that_takes_too_much_cpu_time_is_refused_and_its_process_ends() -> None:
    """Limit CPU time, as Arrow can spend minutes decompressing a body in a single call."""
    job = BatchJob("x", "half", DECIDER, JSON, JSON, 10_000, "id-1", "request-1", NOW)
    queue = ConnectionQueue.make()
    parent, lifeline = os.pipe()
    aborted = threading.Event()

    def work_until_aborted(_: BatchJob) -> tuple[Scorer, WatchedDistribution]:
        while not aborted.is_set():
            sum(range(10_000))
        raise ClientGoneError("a real process would have ended")

    def abort(_: int) -> None:
        aborted.set()

    def explained(_: str) -> ExplainedModel:
        raise AssertionError("nothing is to be explained")

    server = BatchServer(
        CODEC,
        queue.receiving,
        parent,
        work_until_aborted,
        explained,
        FakeLog().record,
        cpu_seconds=lambda _: 0.1,
        abort=abort,
    )
    serving = threading.Thread(target=server.serve)
    serving.start()

    class Running:
        def ensure_running(self) -> None:
            pass

    with pytest.raises(BatchTooLargeError, match="takes too long"):
        BatchProcesses(CODEC, queue, Running(), FakeLog().record).run(
            job, [batch_of(ROWS)], served_model(HalfScorer()), lambda: False
        )
    assert aborted.wait(10)
    os.close(lifeline)
    serving.join(10)
    assert not serving.is_alive()
    os.close(parent)
    queue.close()


def test_a_client_that_is_gone_is_not_worked_for(bench: Bench) -> None:
    bench.own.end()
    with pytest.raises(ClientGoneError):
        bench.processes.run(bench.job, [batch_of(ROWS)], bench.model, lambda: True)
    bench.run(batch_of(ROWS))


def test_small_batches_need_no_process() -> None:
    class NoProcess:
        def ensure_running(self) -> None:
            raise AssertionError("no process is needed")

    queue = ConnectionQueue.make()
    log = FakeLog()
    job = BatchJob("x", "half", DECIDER, JSON, JSON, 10, "id-1", "request-1", NOW)
    summary, _ = BatchProcesses(CODEC, queue, NoProcess(), log.record).run(
        job, [batch_of(2)], served_model(HalfScorer()), lambda: False
    )
    assert summary.approved == 2
    assert [record.rows for record in log.records if isinstance(record, BatchRecord)] == [2]
    queue.close()


def test_where_no_process_can_be_had_the_batch_may_come_again(bench: Bench) -> None:
    """Refuse the batch with a request to retry if every process that takes it dies."""
    queue = ConnectionQueue.make()

    class Killer:
        """A batch process that dies of every batch."""

        def ensure_running(self) -> None:
            threading.Thread(target=self._take, daemon=True).start()

        def _take(self) -> None:
            from loan_api.adapters.ipc.connection_queue import take_with_file

            taken = None
            deadline = time.monotonic() + 5
            while taken is None and time.monotonic() < deadline:
                taken = take_with_file(queue.receiving)
            if taken is not None:
                connection, body = taken
                assert body is not None
                connection.close()
                body.close()

    with pytest.raises(SaturatedError):
        BatchProcesses(CODEC, queue, Killer(), FakeLog().record).run(
            bench.job, [batch_of(ROWS)], bench.model, lambda: False
        )
    queue.close()


def test_a_process_ends_when_its_parent_does() -> None:
    queue = ConnectionQueue.make()
    own = batch_process(queue, queue)
    assert own.ensure_running()
    assert not own.ensure_running()
    pid = own.pid
    assert pid is not None
    own.end()
    assert not Path(f"/proc/{pid}").exists()
    queue.close()


def test_tables_are_left_to_the_process_however_small_they_are(bench: Bench) -> None:
    """Leave tables to batch processes, as their readers need too much memory for web workers."""
    _, answer = bench.run(batch_of(1), answers=ARROW)
    assert not answer.startswith(b"{")
    queue = ConnectionQueue.make()
    asked: list[bool] = []

    class NoticedError(Exception):
        """The batch process was requested."""

    class Process:
        def ensure_running(self) -> None:
            asked.append(True)
            raise NoticedError

    with pytest.raises(NoticedError):
        BatchProcesses(CODEC, queue, Process(), FakeLog().record).run(
            replace_job(bench.job, accepts=PARQUET), [b"PAR1"], bench.model, lambda: False
        )
    assert asked
    queue.close()
