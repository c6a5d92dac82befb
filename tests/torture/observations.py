"""Summarise the result of a load as figures."""

from dataclasses import dataclass

from tests.support.decisions import BATCH_ROWS, Acknowledged
from tests.support.figures import Figure


@dataclass(frozen=True)
class Observations:
    """Requests by result, the worst latency of an answer, and seconds from the fault's end to recovery."""

    sent: int
    answered: int
    refused: int
    broken: int
    failed: dict[str, int]
    acknowledged: int
    found: int
    worst_seconds: float
    recovery_seconds: float

    def figures(self) -> dict[str, Figure]:
        """Return the row of the table."""
        return {
            "sent": self.sent,
            "answered": self.answered,
            "refused": self.refused,
            "broken": self.broken,
            "failed": sum(self.failed.values()),
            "acknowledged": self.acknowledged,
            "found": self.found,
            "worst ms": round(self.worst_seconds * 1000),
            "good again after s": round(self.recovery_seconds, 1),
        }


def observed(
    acknowledged: Acknowledged, found: int, allowed: frozenset[str], ended: float, well: float
) -> Observations:
    """Summarise a finished load, `found` of whose decisions are in the database.

    `ended` is the end of the fault and `well` the first healthy answer, both in monotonic seconds.
    """
    attempts = acknowledged.attempts
    bad = [each for each in attempts if each.problem is not None]
    others = [each.problem for each in bad if not each.is_refusal and each.problem]
    last = max((each.ended for each in bad), default=ended)
    return Observations(
        sent=len(attempts),
        answered=len(attempts) - len(bad),
        refused=len(bad) - len(others),
        broken=sum(problem in allowed for problem in others),
        failed={problem: others.count(problem) for problem in set(others) - allowed},
        acknowledged=len(acknowledged.decisions) + len(acknowledged.batches) * BATCH_ROWS,
        found=found,
        worst_seconds=max(each.ended - each.began for each in attempts if each.problem is None),
        recovery_seconds=max(well, last) - ended,
    )
