"""Ten minutes at 70% of capacity change nothing; an offer of three times the capacity costs little goodput.

Capacity is measured in the same run. All other figures are ratios to it or to the beginning of the run.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.support.figures import record_figures
from tests.support.homes import TrainedHome, damage, new_home
from tests.support.service import started_service
from tests.support.waiting import wait_until
from tests.torture.loads import SINGLES, capacity, open_files, seconds_until_prompt, weight, with_batches
from tools.benchmarks.open_loop import OpenLoop
from tools.benchmarks.own_process import done
from tools.benchmarks.tally import Tally, percentile

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
WINDOWS = 20
LOAD = 0.7
BATCHES_PER_SECOND = 2
CONNECTIONS = 16

OVERLOAD = 3
OVERLOAD_SECONDS = 10.0
OVERLOAD_ROUNDS = 3
# Enough connections to send every request on schedule while others are still unanswered.
OVERLOAD_CONNECTIONS = 320

pytestmark = [pytest.mark.torture, pytest.mark.timeout(SOAK_SECONDS * 2 + 240)]


@dataclass(frozen=True)
class Window:
    """A part of the soak: results, then memory and open files of the service."""

    answered: int
    refused: int
    failed: int
    p50: float
    p99: float
    batches: int
    megabytes: float
    files: int


@dataclass(frozen=True)
class Overload:
    """One round: the mean capacity before and after it, the offered rate and the answers."""

    capacity: float
    offered: int
    answers: Tally
    recovery: float

    @property
    def goodput(self) -> float:
        """Return answers per second as a fraction of capacity."""
        return self.answers.per_second / self.capacity


def test_soak(own_home: TrainedHome) -> None:
    with started_service(own_home.settings.loan_home) as service:
        wait_until(service.is_all_there, "every worker to be ready")
        most = capacity(service.port, CONNECTIONS, 8, BATCHES_PER_SECOND)
        windows = []
        for _ in range(WINDOWS):
            load = OpenLoop(service.port, SINGLES, int(LOAD * most), SOAK_SECONDS / WINDOWS, CONNECTIONS)
            singles, batches = with_batches(service.port, load, BATCHES_PER_SECOND)
            pid = service.process.pid
            windows.append(
                Window(
                    len(singles.latencies),
                    singles.refused + batches.refused,
                    singles.failed + batches.failed,
                    singles.milliseconds(50),
                    singles.milliseconds(99),
                    len(batches.latencies),
                    weight(pid) / 2**20,
                    open_files(pid),
                )
            )
    third = WINDOWS // 3
    first, last = windows[:third], windows[-third:]
    record_figures(
        f"soak, {SOAK_SECONDS:g} s at {LOAD:.0%}",
        {
            "capacity/s": round(most),
            "answered": sum(each.answered for each in windows),
            "batches": sum(each.batches for each in windows),
            "refused": sum(each.refused for each in windows),
            "failed": sum(each.failed for each in windows),
            "p50 ms, first and last third": _both([w.p50 for w in first], [w.p50 for w in last], 2),
            "p99 ms": _both([w.p99 for w in first], [w.p99 for w in last], 1),
            "MB": _both([w.megabytes for w in first], [w.megabytes for w in last], 0),
            "open files": _both([w.files for w in first], [w.files for w in last], 0),
        },
        table="Soak",
    )
    assert [each.failed + each.refused for each in windows] == [0] * WINDOWS
    assert median(w.p50 for w in last) < 2 * median(w.p50 for w in first)
    assert median(w.megabytes for w in last) < 1.1 * median(w.megabytes for w in first)
    # Tolerate connections that are just being closed.
    assert median(w.files for w in last) <= median(w.files for w in first) + 2 * CONNECTIONS


def test_overload(tmp_path: Path) -> None:
    """Score with a forest's pipeline at ten milliseconds each, so that clients can offer three times the capacity.

    A refusal takes a third of a millisecond, more than a decision by the compiled form.
    """
    home = new_home(tmp_path / "home", ("random_forest",)).settings.loan_home
    damage(home)
    rounds = []
    with started_service(home) as service:
        wait_until(service.is_all_there, "every worker to be ready")
        before = capacity(service.port, CONNECTIONS, OVERLOAD_SECONDS / 2)
        for _ in range(OVERLOAD_ROUNDS):
            load = OpenLoop(service.port, SINGLES, int(OVERLOAD * before), OVERLOAD_SECONDS, OVERLOAD_CONNECTIONS)
            answers = done(load.run).answers
            recovery = seconds_until_prompt(service.port, limit=0.5)
            after = capacity(service.port, CONNECTIONS, OVERLOAD_SECONDS / 2)
            rounds.append(Overload((before + after) / 2, load.rate, answers, recovery))
            before = after
        wait_until(service.is_ready, "the service to be ready")
    refusals = sorted(latency for each in rounds for latency in each.answers.refusal_latencies)
    answered = sorted(latency for each in rounds for latency in each.answers.latencies)
    goodput = median(each.goodput for each in rounds)
    record_figures(
        f"overload, {OVERLOAD_ROUNDS} times {OVERLOAD_SECONDS:g} s at {OVERLOAD} times",
        {
            "capacity/s": round(median(each.capacity for each in rounds)),
            "offered/s": round(median(each.offered for each in rounds)),
            "answered": len(answered),
            "refused": len(refusals),
            "failed": sum(each.answers.failed for each in rounds),
            "goodput of capacity": ", ".join(f"{each.goodput:.0%}" for each in rounds),
            "p99 ms of answers": round(percentile(answered, 99) * 1000),
            "p50 and p99 ms of refusals": " / ".join(f"{percentile(refusals, each) * 1000:.0f}" for each in (50, 99)),
            "recovered after s": round(max(each.recovery for each in rounds), 1),
        },
        table="Overload",
    )
    assert [each.answers.failures for each in rounds] == [{}] * OVERLOAD_ROUNDS
    assert all(each.answers.refused for each in rounds)
    assert goodput > 0.8
    # One loop iteration may take a quarter of a second, on processors that the client shares.
    assert median(refusals) < 2.0
    assert max(each.recovery for each in rounds) < 5


def _both(first: list[float], last: list[float], digits: int) -> str:
    return f"{median(first):.{digits}f} → {median(last):.{digits}f}"
