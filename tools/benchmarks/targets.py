"""Performance targets of the service, compared with the measurements."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from tools.benchmarks.pairs import BATCH, LOG, POLICY, SINGLE
from tools.benchmarks.plan import COMPARED_CONNECTIONS, LARGEST_BATCH
from tools.benchmarks.processes import WEB_WORKER
from tools.benchmarks.results import Batch, Pair, Results, Single
from tools.benchmarks.servers import BARE, MLFLOW, SERVICE

_WITH = {LOG: {SINGLE: 0.85, BATCH: 0.8}, POLICY: {SINGLE: 0.97, BATCH: 0.95}}
_AGAINST_ANOTHER_CHECKOUT = 0.97
_REASONS_MILLISECONDS = {"decision_tree": 3.0, "random_forest": 15.0}


@dataclass(frozen=True)
class Target:
    """A target and its measurement, as text with units."""

    demand: str
    wanted: str
    measured: str
    is_met: bool


def judge(results: Results) -> list[Target]:
    """Return every target that has measurements."""
    judges: tuple[Callable[[Results], Iterator[Target]], ...] = (
        _singles,
        _batches,
        _mixed,
        _pairs,
        _reasons,
        _moves,
        _memory,
        _starts,
    )
    return [target for judged in judges for target in judged(results)]


def single_ratio(singles: Iterable[Single], other: str, connections: int) -> float | None:
    """Return the service's requests/s relative to `other` (median over the rounds), or None without both."""
    rates = {(s.server, s.round): s.per_second for s in singles if s.connections == connections}
    return _median_ratio(rates, other)


def batch_ratio(batches: Iterable[Batch], other: str, rows: int, connections: int) -> float | None:
    """Return the service's rows/s relative to `other` (median over the rounds), or None without both."""
    rates = {(b.server, b.round): b.rows_per_second for b in batches if (b.rows, b.connections) == (rows, connections)}
    return _median_ratio(rates, other)


def worker_bytes(results: Results, server: str) -> float:
    """Return the largest worker's memory (median over the rounds)."""
    return median(m.kinds[WEB_WORKER].heaviest for m in results.memory if m.server == server)


def start_seconds(results: Results, server: str, *, cold: bool) -> float:
    """Return the median start time."""
    return median(s.seconds for s in results.starts if (s.server, s.cold) == (server, cold))


def _median_ratio(rates: dict[tuple[str, int], float], other: str) -> float | None:
    rounds = {number for server, number in rates if server == other}
    ratios = [
        rates[SERVICE, number] / rates[other, number]
        for number in rounds
        if (SERVICE, number) in rates and rates[other, number]
    ]
    return median(ratios) if ratios else None


def _singles(results: Results) -> Iterator[Target]:
    for other, wanted in ((MLFLOW, 40.0), (BARE, 0.45)):
        ratio = single_ratio(results.singles, other, COMPARED_CONNECTIONS)
        if ratio is not None:
            demand = f"single requests/s against {other}, {COMPARED_CONNECTIONS} connections"
            yield Target(demand, f"at least {wanted:g} times", f"{ratio:.2f} times", ratio >= wanted)
    failed = sum(s.failed for s in results.singles if s.server == SERVICE)
    if results.singles:
        yield Target("failed single requests in closed loop", "none", str(failed), failed == 0)


def _batches(results: Results) -> Iterator[Target]:
    ratio = batch_ratio(results.batches, MLFLOW, LARGEST_BATCH, COMPARED_CONNECTIONS)
    if ratio is not None:
        demand = f"rows/s of batches of {LARGEST_BATCH:,} against {MLFLOW}, {COMPARED_CONNECTIONS} connections"
        yield Target(demand, "at least 5 times", f"{ratio:.2f} times", ratio >= 5)  # noqa: PLR2004


def _mixed(results: Results) -> Iterator[Target]:
    if results.mixed:
        p99 = median(m.p99 for m in results.mixed)
        failed = sum(m.failed for m in results.mixed)
        offered = results.mixed[0].offered_per_second
        demand = f"p99 of {offered} single requests/s under batches of {LARGEST_BATCH:,}"
        yield Target(demand, "at most 25 ms", f"{p99:.1f} ms", p99 <= 25)  # noqa: PLR2004
        yield Target("failed requests among these", "none", str(failed), failed == 0)


def pair_ratio(pairs: Iterable[Pair], compared: str, what: str) -> float:
    """Return the median ratio of the pairs of this kind."""
    return median(pair.ratio for pair in pairs if (pair.compared, pair.what) == (compared, what))


def _pairs(results: Results) -> Iterator[Target]:
    for compared, what in dict.fromkeys((pair.compared, pair.what) for pair in results.pairs):
        ratio = pair_ratio(results.pairs, compared, what)
        wanted = _WITH[compared][what] if compared in _WITH else _AGAINST_ANOTHER_CHECKOUT
        demand = f"{what} with {compared} against without" if compared in _WITH else f"{what}: {compared}"
        yield Target(demand, f"at least {wanted:g} times", f"{ratio:.2f} times", ratio >= wanted)


def _reasons(results: Results) -> Iterator[Target]:
    if results.reasons and results.candidate in _REASONS_MILLISECONDS:
        most, p50 = _REASONS_MILLISECONDS[results.candidate], median(r.explained for r in results.reasons)
        yield Target("p50 of a refusal with its reasons", f"at most {most:g} ms", f"{p50:.1f} ms", p50 <= most)


def _moves(results: Results) -> Iterator[Target]:
    if results.moves:
        failed = sum(m.failed for m in results.moves)
        polls = max(m.polls for m in results.moves)
        strangers = sum(len(m.strangers) for m in results.moves)
        yield Target("failed requests in promotion and rollback", "none", str(failed), failed == 0)
        yield Target("every worker on the new version", "within 2 polls", f"{polls:.2f} polls", polls <= 2)  # noqa: PLR2004
        yield Target("answers by any other version", "none", str(strangers), strangers == 0)


def _memory(results: Results) -> Iterator[Target]:
    if {SERVICE, MLFLOW} <= {m.server for m in results.memory}:
        share = worker_bytes(results, SERVICE) / worker_bytes(results, MLFLOW)
        yield Target(f"memory of a worker against {MLFLOW}", "at most 0.5 times", f"{share:.2f} times", share <= 0.5)  # noqa: PLR2004


def _starts(results: Results) -> Iterator[Target]:
    if results.starts:
        most = start_seconds(results, MLFLOW, cold=False)
        for cold, name in ((True, "without its model cache"), (False, "with its model cache")):
            seconds = start_seconds(results, SERVICE, cold=cold)
            yield Target(f"start {name}", f"at most {most:.1f} s", f"{seconds:.1f} s", seconds <= most)
