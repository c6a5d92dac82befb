"""Results of a load."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from tools.benchmarks.http_client import Answer


@dataclass(frozen=True)
class Seen:
    """First and last answer of a model version (monotonic seconds), and the number of answers."""

    first: float
    last: float
    count: int


@dataclass
class Tally:
    """Counts and latencies (seconds) of successful answers; failures are counted by status or problem.

    A refusal is a 429 or 503 with `Retry-After`. It is load shedding, not a failure; its latency is kept separately.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refusal_latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    versions: dict[str, Seen] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """Return the number of refused requests."""
        return len(self.refusal_latencies)

    @property
    def failed(self) -> int:
        """Return the number of requests that were neither answered nor refused."""
        return self.failures.total()

    @property
    def per_second(self) -> float:
        """Return successful answers per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def milliseconds(self, percent: int) -> float:
        """Return the latency percentile of the answers, or NaN without answers."""
        return percentile(self.latencies, percent) * 1000

    def add(self, answer: Answer, since: float) -> None:
        """Count an answer to a request that was due at `since`."""
        if answer.is_refusal:
            self.refusal_latencies.append(answer.at - since)
        elif not answer.is_success:
            self.failures[answer.problem or str(answer.status)] += 1
        else:
            self.latencies.append(answer.at - since)
            if answer.model_version is not None:
                seen = self.versions.get(answer.model_version, Seen(answer.at, answer.at, 0))
                self.versions[answer.model_version] = Seen(seen.first, answer.at, seen.count + 1)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the percentile (1 to 99) of `values`, or NaN if `values` is empty."""
    if not values:
        return float("nan")
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]
