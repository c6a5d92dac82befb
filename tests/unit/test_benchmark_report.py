"""The benchmark judges the median of the rounds, and its page keeps text outside the markers."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from loan_api.credit.form import Form
from loan_api.credit.policy import parse_policy
from tests.support.forms import GERMAN, SHIPPED
from tools.benchmarks import pairs
from tools.benchmarks.home import Home
from tools.benchmarks.pairs import BATCH, LOG, POLICY, SINGLE, START
from tools.benchmarks.plan import Plan
from tools.benchmarks.processes import MASTER, WEB_WORKER, Process
from tools.benchmarks.promotion import seconds_until_followed
from tools.benchmarks.report import PageError, with_results
from tools.benchmarks.results import Batch, Explained, Pair, Results, Single
from tools.benchmarks.servers import BARE, MLFLOW, MLFLOW_SAME_BODY, SERVICE, Server, service
from tools.benchmarks.tables import tables
from tools.benchmarks.tally import Seen, Tally
from tools.benchmarks.targets import judge
from tools.benchmarks.ten_rules import ten_rules
from tools.benchmarks.throughput import Material
from tools.benchmarks.wrk import read_result


def singles(server: str, *rates: float) -> list[Single]:
    return [Single(number, server, 16, rate, p50=1, p99=2, failed=0) for number, rate in enumerate(rates)]


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    measured = singles(SERVICE, 400, 900, 100) + singles(MLFLOW, 10, 10, 10) + singles(BARE, 1000, 1000, 1000)
    against_mlflow, against_bare, failed = judge(Results({}, 2, "random_forest", singles=measured))
    assert (against_mlflow.measured, against_mlflow.is_met) == ("40.00 times", True)
    assert (against_bare.measured, against_bare.is_met) == ("0.40 times", False)
    assert failed.is_met


def batch(server: str, rows_per_second: float) -> Batch:
    return Batch(0, server, 10_000, 16, rows_per_second, p50=1, p99=2, refused=0, failed=0)


def test_batches_are_judged_by_the_form_that_mlflow_answers_quickest() -> None:
    measured = [batch(SERVICE, 600), batch(MLFLOW, 150), batch(MLFLOW_SAME_BODY, 30)]
    results = Results({}, 2, "random_forest", batches=measured)
    [target] = judge(results)
    assert (target.measured, target.is_met) == ("4.00 times", False)
    shown = {row[0]: row[-1] for table in tables(results) if table.title == "Batches as JSON" for row in table.rows}
    assert shown == {SERVICE: "", MLFLOW: "4.00 times", MLFLOW_SAME_BODY: "20.00 times"}


def test_checkouts_are_judged_by_the_median_of_their_pairs() -> None:
    """Include times, whose ratio is inverted: half the time is twice as fast."""
    rates = [Pair("new against old", SINGLE, 16, this=this, other=100) for this in (96, 98, 200)]
    starts = [Pair("new against old", START, 1, this=2, other=other, is_time=True) for other in (1, 1.5, 4)]
    results = Results({}, 2, "random_forest", pairs=[*rates, *starts])
    assert [(target.measured, target.is_met) for target in judge(results)] == [
        ("0.98 times", True),
        ("0.75 times", False),
    ]
    (shown,) = [table.rows for table in tables(results) if table.title == "In pairs"]
    assert [row[-2:] for row in shown] == [("0.98 times", "0.96 to 2.00"), ("0.75 times", "0.50 to 2.00")]


def test_the_log_and_a_policy_have_their_own_targets() -> None:
    measured = [Pair(LOG, SINGLE, 16, this=90, other=100), Pair(POLICY, SINGLE, 16, this=96, other=100)]
    measured += [Pair(POLICY, BATCH, 4, this=96, other=100)]
    assert [(target.wanted, target.is_met) for target in judge(Results({}, 2, "decision_tree", pairs=measured))] == [
        ("at least 0.85 times", True),
        ("at least 0.97 times", False),
        ("at least 0.95 times", True),
    ]


@pytest.mark.parametrize(("candidate", "is_met"), [("decision_tree", [False]), ("random_forest", [True]), ("svc", [])])
def test_reasons_have_a_target_for_trees_and_forests(candidate: str, is_met: list[bool]) -> None:
    measured = [Explained(number, 0.5, p50, 9.0, failed=0) for number, p50 in enumerate((3.5, 2.0, 4.0))]
    results = Results({}, 2, candidate, reasons=measured)
    assert [target.is_met for target in judge(results)] == is_met
    (shown,) = [table.rows for table in tables(results) if table.title == "Reasons"]
    assert shown[0] == ("1", "0.50", "3.50", "9.00", "0")


@pytest.mark.parametrize("form", [SHIPPED, GERMAN], ids=lambda form: form.name)
def test_the_policy_of_the_benchmark_is_one_of_any_form(form: Form) -> None:
    assert len(parse_policy(ten_rules(form), form).rules) == 10


def test_two_services_of_one_home_are_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Measure the rate of each, though both write to the same log."""
    home = Home(tmp_path)
    this, other = service(home, 5001, 2), service(home, 5002, 2, DECISION_LOG="off")
    assert this.log == other.log

    def rate(material: Material, plan: Plan, server: Server) -> float:
        return 100.0 if server.port == this.port else 200.0

    monkeypatch.setitem(pairs._LOADS, SINGLE, pairs._Load(16, rate))
    monkeypatch.setattr(pairs, "running", lambda server: nullcontext())
    monkeypatch.setattr(pairs, "warm_up", lambda *_: None)
    measured = pairs.measure_pairs(LOG, this, other, [SINGLE], Material((), ()), Plan(pairs=4))
    assert {(pair.this, pair.other) for pair in measured} == {(100.0, 200.0)}


def test_only_measured_results_are_reported() -> None:
    assert tables(Results({}, 2, "random_forest")) == []
    measured = Results({}, 2, "random_forest", singles=singles(SERVICE, 100))
    assert [table.title for table in tables(measured)] == ["Targets", "Single requests"]


def test_wrk_tells_its_result_last() -> None:
    result = read_result(
        'Running 1s test\n  90 requests\n\n{"microseconds": 2000000, "answers": 100, "p50": 1500, "p99": 9000,'
        ' "status": 10, "connect": 1, "read": 2, "write": 3, "timeout": 4}\n'
    )
    assert (result.per_second, result.p50_milliseconds, result.p99_milliseconds, result.failed) == (45.0, 1.5, 9.0, 20)


def test_the_page_keeps_what_is_outside_of_its_markers() -> None:
    page = "# Ours\n<!-- measured -->\nold\n<!-- /measured -->\nA profile.\n"
    assert with_results(page, "new\n") == "# Ours\n<!-- measured -->\nnew\n<!-- /measured -->\nA profile.\n"


def test_a_page_without_markers_is_left_alone() -> None:
    with pytest.raises(PageError, match="no place"):
        with_results("# All by hand\n", "new")


def test_workers_are_distinguished_from_other_processes() -> None:
    gunicorn = ("python", "-m", "gunicorn", "wsgi:app")
    master = Process(1, gunicorn)
    worker = Process(2, gunicorn, master)
    assert (master.kind, worker.kind) == (MASTER, WEB_WORKER)
    assert Process(3, gunicorn, worker).kind == "fork of a web worker"
    assert Process(4, ("python", "-m", "loan_api.batch"), master).kind == "loan_api.batch"


@pytest.mark.parametrize(("workers", "kind"), [("2", MASTER), ("1", WEB_WORKER)])
def test_one_uvicorn_worker_is_uvicorn_itself(workers: str, kind: str) -> None:
    command = Process(1, ("python", "-m", "mlflow", "models", "serve"))
    uvicorn = Process(2, ("python", "/bin/uvicorn", "--workers", workers, "app"), command)
    spawned = Process(3, ("python", "-c", "from multiprocessing.spawn import spawn_main"), uvicorn)
    assert (command.kind, uvicorn.kind, spawned.kind) == ("command", kind, WEB_WORKER)


def test_a_move_has_taken_until_the_last_answer_of_the_version_before() -> None:
    both = Tally(versions={"1.0.0": Seen(0, 13, 5), "1.0.1": Seen(12, 30, 5)})
    assert seconds_until_followed(both, "1.0.0", "1.0.1", moved_at=10, ended=30) == 3


@pytest.mark.parametrize("seen", [{"1.0.0": Seen(0, 30, 5)}, {"1.0.0": Seen(0, 29.9, 5), "1.0.1": Seen(12, 30, 5)}])
def test_a_move_that_not_every_worker_has_followed_takes_for_ever(seen: dict[str, Seen]) -> None:
    assert seconds_until_followed(Tally(versions=seen), "1.0.0", "1.0.1", moved_at=10, ended=30) == float("inf")
