"""The results as tables of text for the terminal and the page. Every figure is the median over the rounds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tools.benchmarks.results import Batch, Results, Single
from tools.benchmarks.servers import BARE, MLFLOW, MLFLOW_SAME_BODY, SERVICE
from tools.benchmarks.targets import batch_ratio, judge, single_ratio, start_seconds


@dataclass(frozen=True)
class Table:
    """A table of text; the first column is left-aligned, the others right-aligned."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables(results: Results) -> list[Table]:
    """Return the non-empty tables, the targets first."""
    makers: tuple[Callable[[Results], Table], ...] = (
        _targets,
        _singles,
        _batches,
        _mixed,
        _pairs,
        _reasons,
        _moves,
        _memory,
        _starts,
    )
    return [table for make in makers if (table := make(results)).rows]


def _targets(results: Results) -> Table:
    rows = [(t.demand, t.wanted, t.measured, "met" if t.is_met else "NOT MET") for t in judge(results)]
    return Table("Targets", ("demand", "target", "measured", ""), tuple(rows))


def _singles(results: Results) -> Table:
    rows = []
    for connections in _distinct(s.connections for s in results.singles):
        for server in (SERVICE, MLFLOW, BARE):
            of = [s for s in results.singles if (s.server, s.connections) == (server, connections)]
            if of:
                ratio = None if server == SERVICE else single_ratio(results.singles, server, connections)
                rate = f"{median(s.per_second for s in of):,.0f}"
                rows.append((server, str(connections), rate, *_latencies(of), _failures(of), _times(ratio)))
    head = ("server", "connections", "requests/s", "p50 ms", "p99 ms", "failed", "service is")
    note = (
        "Latencies are those of answered requests: a p50 far below connections ÷ requests/s means that some"
        " connections wait behind others."
    )
    return Table("Single requests", head, tuple(rows), note)


def _batches(results: Results) -> Table:
    rows = []
    for size, connections in _distinct((b.rows, b.connections) for b in results.batches):
        for server in (SERVICE, MLFLOW, MLFLOW_SAME_BODY):
            of = [b for b in results.batches if (b.server, b.rows, b.connections) == (server, size, connections)]
            if of:
                ratio = None if server == SERVICE else batch_ratio(results.batches, server, size, connections)
                rate = f"{median(b.rows_per_second for b in of):,.0f}"
                refused = f"{sum(b.refused for b in of):,}"
                where = (server, f"{size:,}", str(connections))
                rows.append((*where, rate, *_latencies(of), refused, _failures(of), _times(ratio)))
    head = ("server", "rows", "connections", "rows/s", "p50 ms", "p99 ms", "refused", "failed", "service is")
    note = (
        "Refused: 503 or 429 with Retry-After, which the client honours. Counts are totals of all rounds."
        f" `{MLFLOW}` receives the applications as `dataframe_split` (the basis of the target);"
        f" `{MLFLOW_SAME_BODY}` receives the same bytes as the service."
    )
    return Table("Batches as JSON", head, tuple(rows), note)


def _mixed(results: Results) -> Table:
    rows = [
        (
            str(m.round + 1),
            f"{m.answers:,}",
            _milliseconds(m.p50),
            _milliseconds(m.p99),
            _milliseconds(m.highest),
            str(m.failed),
            _milliseconds(m.client_lag_p99),
            f"{m.batch_rows_per_second:,.0f}",
            str(m.batches_refused),
            str(m.batches_failed),
        )
        for m in results.mixed
    ]
    head = ("round", "answers", "p50 ms", "p99 ms", "max ms", "failed", "client lag ms")
    title = "Single requests on a fixed schedule under batches of 10,000"
    note = "Latency is measured from the scheduled time and includes the client's own lag (p99)."
    return Table(title, (*head, "batch rows/s", "batches refused", "batches failed"), tuple(rows), note)


def _pairs(results: Results) -> Table:
    rows = []
    for kind in _distinct((pair.compared, pair.what, pair.connections) for pair in results.pairs):
        of = [pair for pair in results.pairs if (pair.compared, pair.what, pair.connections) == kind]
        ratios = sorted(pair.ratio for pair in of)
        medians = median(pair.this for pair in of), median(pair.other for pair in of)
        rates = (f"{value:,.2f}" if of[0].is_time else f"{value:,.0f}" for value in medians)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        rows.append((kind[0], kind[1], str(kind[2]), *rates, _times(median(ratios)), spread))
    head = ("", "measured", "connections", "this", "other", "ratio", "range of the pairs")
    note = (
        "Two services are measured alternately for a few seconds each. The ratio is the median over the pairs of this"
        " service's speed relative to the other: one without a decision log or policy, or one from another checkout."
    )
    return Table("In pairs", head, tuple(rows), note)


def _reasons(results: Results) -> Table:
    rows = [
        (
            str(r.round + 1),
            _milliseconds(r.plain),
            _milliseconds(r.explained),
            _milliseconds(r.explained_p99),
            str(r.failed),
        )
        for r in results.reasons
    ]
    head = ("round", "p50 ms without", "p50 ms with", "p99 ms with", "failed")
    note = "Applications that the model refuses, in turn over one connection, without and with `?reasons=true`."
    return Table("Reasons", head, tuple(rows), note)


def _moves(results: Results) -> Table:
    rows = [
        (
            m.action,
            f"{m.answers:,}",
            str(m.failed),
            str(m.refused),
            f"{m.seconds:.1f}",
            f"{m.polls:.2f}",
            ", ".join(m.strangers) or "none",
        )
        for m in results.moves
    ]
    head = ("", "answers", "failed", "refused", "seconds", "polls", "other versions")
    note = "Time from the start of the registry change to the old version's last answer."
    return Table("Promotion and rollback under full load", head, tuple(rows), note)


def _memory(results: Results) -> Table:
    rows = []
    for server in (SERVICE, MLFLOW):
        of = [m for m in results.memory if m.server == server]
        for kind in _distinct(kind for m in of for kind in m.kinds):
            weights = [m.kinds[kind] for m in of if kind in m.kinds]
            counts = _distinct(w.count for w in weights)
            heaviest = median(w.heaviest for w in weights)
            rows.append((server, kind, " or ".join(map(str, counts)), _megabytes(heaviest)))
        if of:
            whole = median(sum(sum(w.each) for w in m.kinds.values()) for m in of)
            rows.append((server, "all together", "", _megabytes(whole)))
    note = "Proportional set size after the batches; the largest process of each kind."
    return Table("Memory", ("server", "process", "count", "MB each"), tuple(rows), note)


def _starts(results: Results) -> Table:
    named = {
        (SERVICE, True): "service, without its model cache",
        (SERVICE, False): "service, with its model cache",
        (MLFLOW, False): MLFLOW,
    }
    rows = [
        (name, f"{start_seconds(results, server, cold=cold):.2f}", _each(results, server, cold=cold))
        for (server, cold), name in named.items()
        if results.starts
    ]
    note = "Time from starting the command to the first prediction."
    return Table("Start", ("server", "median s", "each s"), tuple(rows), note)


def _each(results: Results, server: str, *, cold: bool) -> str:
    return ", ".join(f"{s.seconds:.2f}" for s in results.starts if (s.server, s.cold) == (server, cold))


def _latencies(of: Sequence[Single] | Sequence[Batch]) -> tuple[str, str]:
    return _milliseconds(median(m.p50 for m in of)), _milliseconds(median(m.p99 for m in of))


def _failures(of: Sequence[Single] | Sequence[Batch]) -> str:
    return str(sum(m.failed for m in of))


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} times"


def _milliseconds(value: float) -> str:
    decimals = 2 if value < 10 else 1 if value < 100 else 0  # noqa: PLR2004
    return f"{value:,.{decimals}f}"


def _megabytes(value: float) -> str:
    return f"{value / 2**20:.0f}"


def _distinct(values: Iterable[Any]) -> Iterator[Any]:
    """Iterate over the distinct values in order of first appearance."""
    return iter(dict.fromkeys(values))
