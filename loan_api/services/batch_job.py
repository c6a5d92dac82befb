"""One batch from its body to its answer, in a web worker or in a batch process."""

from collections.abc import Callable, Iterator
from datetime import datetime
from time import perf_counter

import msgspec
import numpy as np

from loan_api.credit.bins import SCORE_BINS
from loan_api.credit.decision import DECISIONS, DECLINE, REFER, Decision, decisions_of
from loan_api.credit.policy import parsed_policy
from loan_api.errors import ClientGoneError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.batch_content import PolicyColumns, pack
from loan_api.formats.codecs import format_of
from loan_api.formats.decided import DecidedBatch
from loan_api.formats.timestamps import utc_text
from loan_api.scoring.columns import row_count, rows_of
from loan_api.scoring.scorer import Scorer
from loan_api.scoring.watched import WatchedDistribution
from loan_api.services.decision_log import BatchRecord, Decider

# Upper bounds of the histogram of P(approved).
PROBABILITY_BOUNDS = SCORE_BINS.edges[1:]
# Between slices, the batch is abandoned if the client has gone.
_SLICE_ROWS = 10_000


class BatchJob(msgspec.Struct, frozen=True, tag=True):
    """The model, media types, ids and time of a batch to be decided."""

    artifact: str
    scorer: str
    decider: Decider
    accepts: str
    answers: str
    max_rows: int
    batch_id: str
    request_id: str
    decided_at: datetime
    # The text of the credit policy.
    policy: str | None = None


class BatchSummary(msgspec.Struct, frozen=True):
    """Counts of a decided batch.

    `probability_counts` has one count for each of `PROBABILITY_BOUNDS`; `watched` is the `WatchedDistribution` vector;
    `decisions` are counted by decision and code of the rule, if any.
    """

    rows: int
    approved: int
    probability_sum: float
    probability_counts: tuple[int, ...]
    watched: tuple[float, ...]
    seconds: float
    decisions: tuple[tuple[Decision, str | None, int], ...]


def run_batch(
    codec: ApplicationCodec,
    job: BatchJob,
    body: bytes,
    scorer: Scorer,
    watched: WatchedDistribution,
    record: Callable[[BatchRecord], object],
    is_abandoned: Callable[[], bool],
) -> tuple[BatchSummary, Iterator[bytes]]:
    """Decide the batch and record it; return its summary and the pieces of its answer.

    Raises MalformedBodyError, RequestRefusedError, BatchTooLargeError, NotRecordedError, or ClientGoneError if the
    client has gone.
    """
    applications = format_of(job.accepts).decode(codec, body, job.max_rows)
    started = perf_counter()
    rows = row_count(applications)
    probabilities = np.empty(rows)
    for start in range(0, rows, _SLICE_ROWS):
        if is_abandoned():
            raise ClientGoneError("the client is gone")
        stop = start + _SLICE_ROWS
        probabilities[start:stop] = scorer.probabilities(rows_of(applications, start, stop))
    predictions = (probabilities >= job.decider.threshold).astype(np.int8)
    policy = None if job.policy is None else parsed_policy(job.policy, codec.form)
    if policy is None:
        decided = PolicyColumns(decisions_of(predictions), np.full(rows, -1, np.int8), ())
    else:
        decided = PolicyColumns(*policy.decide_columns(applications, probabilities), policy.codes)
    seconds = perf_counter() - started
    up_to = [np.count_nonzero(probabilities <= bound) for bound in PROBABILITY_BOUNDS]
    summary = BatchSummary(
        rows=rows,
        approved=int(predictions.sum()),
        probability_sum=float(probabilities.sum()),
        probability_counts=tuple(np.diff(up_to, prepend=0).tolist()),
        watched=tuple(watched.counts(applications, probabilities, predictions).tolist()),
        seconds=seconds,
        decisions=_counts(decided),
    )
    record(
        BatchRecord(
            batch_id=job.batch_id,
            request_id=job.request_id,
            decided_at=job.decided_at,
            decider=job.decider,
            rows=rows,
            approved=summary.approved,
            content=pack(codec.form, applications, probabilities, predictions, decided if policy else None),
            referred=int(np.count_nonzero(decided.decisions == REFER)),
            declined=int(np.count_nonzero(decided.decisions == DECLINE)),
            policy=policy.digest if policy else None,
        )
    )
    answer = DecidedBatch(
        predictions,
        probabilities,
        job.decider.semantic_version,
        utc_text(job.decided_at),
        f"{seconds:.3f}s",
        job.batch_id,
        *decided,
        policy.version if policy else None,
    )
    return summary, format_of(job.answers).encode(answer)


def _counts(decided: PolicyColumns) -> tuple[tuple[Decision, str | None, int], ...]:
    places = (decided.rules.astype(np.intp) + 1) * len(DECISIONS) + decided.decisions
    names = [(decision, code) for code in (None, *decided.codes) for decision in DECISIONS]
    counts = np.bincount(places, minlength=len(names)).tolist()
    return tuple((*name, count) for name, count in zip(names, counts, strict=True) if count)
