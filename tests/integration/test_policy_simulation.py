"""Simulation of a policy on recorded decisions, on both databases."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.database import connected, open_engine
from loan_api.adapters.storage.decision_stream import stream
from loan_api.adapters.storage.past_decisions import past_decisions
from loan_api.adapters.storage.tables import batches, decisions
from loan_api.credit.policy import Policy, parse_policy, read_policy
from loan_api.entrypoints.commands import cli
from loan_api.scoring.columns import applications_of
from loan_api.services.audit import DecisionName, OutcomeReport
from loan_api.services.decision_id import new_id
from loan_api.services.decision_log import DecisionRecord
from loan_api.services.policy_simulation import simulate
from tests.support.forms import SHIPPED, SMALL
from tests.support.ledger import FIRST, SECOND, START, Ledger
from tests.support.policies import EXAMPLE, TEN_RULES

OLD = parse_policy('version = "old"\n[bands]\napprove_from = 0.7\nrefer_from = 0.3', SHIPPED)
NEW = read_policy(EXAMPLE, SHIPPED)


@pytest.fixture
def history(ledger: Ledger) -> Ledger:
    """Record decisions with and without a policy, single ones and batches, some of them with outcomes."""
    generator = np.random.default_rng(3)
    ledger.activate(OLD)
    names: list[DecisionName] = []
    for number in range(60):
        changes: dict[str, Any] = {
            "education": SHIPPED.categories[0].values[number % 3],
            "cibil_score": int(generator.integers(300, 900)),
            "loan_amount": int(generator.integers(1, 40) * 1_000_000),
            "self_employed": "Yes" if number % 2 else "No",
            "commercial_assets_value": 0 if number % 5 else 1_000_000,
        }
        policy = OLD if number % 3 else None
        decision_id = ledger.single(probability=float(generator.random()), policy=policy, **changes)
        names.append(DecisionName(decision_id))
    for policy in (None, OLD):
        batch_id = ledger.batch(*generator.random(40).tolist(), policy=policy, decider=SECOND)
        names += [DecisionName(batch_id, row) for row in range(40)]
    archive = DatabaseArchive(SHIPPED, ledger.url)
    for outcome, some in ((1, names[::3]), (0, names[1::3]), (0, names[::9])):
        archive.report([OutcomeReport(name, outcome) for name in some], lambda: START, None)
    return ledger


def expected(ledger: Ledger, policy: Policy) -> Iterator[tuple[str | None, ...]]:
    """Decide one by one: yield decision before and after, rule, education and outcome."""
    with connected(ledger.url) as connection:
        for chunk in stream(SHIPPED, connection, None, None, None, pytest.fail):
            rows = range(len(chunk))
            for row, application in zip(rows, applications_of(SHIPPED, chunk.applications, rows), strict=True):
                decision, rule = policy.decide(application, float(chunk.probabilities[row]))
                outcome = {0: "bad", 1: "good", None: "unknown"}[chunk.outcomes[row]]
                before = ("approve", "refer", "decline")[chunk.decisions[row]]
                yield before, decision, rule, application["education"], outcome


def run(ledger: Ledger, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["policy", "simulate", *arguments], env={"DATABASE_URL": ledger.url})


def simulated(ledger: Ledger, *arguments: str) -> Any:
    result = run(ledger, str(EXAMPLE), "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def cells(entries: list[dict[str, Any]], *keys: str) -> Counter[tuple[Any, ...]]:
    counts: Counter[tuple[Any, ...]] = Counter()
    for entry in entries:
        assert entry["decisions"] == sum(entry["outcomes"].values())
        for outcome, count in entry["outcomes"].items():
            counts[(*(entry[key] for key in keys), entry["from"], entry["to"], outcome)] += count
    return +counts


def test_every_decision_is_counted_by_transition_rule_segment_and_outcome(history: Ledger) -> None:
    report = simulated(history, "--by", "education")
    rows = list(expected(history, NEW))
    assert len(rows) == 140
    assert {before for before, *_ in rows} == {after for _, after, *_ in rows} == {"approve", "refer", "decline"}
    assert cells(report["transitions"]) == Counter((before, after, outcome) for before, after, _, _, outcome in rows)
    assert cells(report["rules"], "rule") == Counter((rule, *cell, outcome) for *cell, rule, _, outcome in rows)
    assert {entry["feature"] for entry in report["segments"]} == {"education"}
    assert cells(report["segments"], "value") == Counter((value, *cell, outcome) for *cell, _, value, outcome in rows)
    assert len(report["transitions"]) == 9
    assert report["decisions"] == 140
    assert report["changed"] == sum(before != after for before, after, *_ in rows)
    assert (report["policy_version"], report["policy_digest"]) == (NEW.version, NEW.digest)


def test_pages_leave_nothing_out(history: Ledger) -> None:
    for page in (1, 7, 60, 100):
        with connected(history.url) as connection:
            past = past_decisions(SHIPPED, NEW.needs, connection, None, None, None, pytest.fail, page=page)
            simulation = simulate(NEW, past)
        counts = {(each.before, each.after): each.total for each in simulation.transitions()}
        assert +Counter(counts) == Counter((before, after) for before, after, *_ in expected(history, NEW))


def test_values_of_optional_features_may_be_missing(ledger: Ledger) -> None:
    policy = parse_policy(TEN_RULES, SMALL)
    known: dict[str, Any] = {**SMALL.example(), "amount": 45_000.0, "income": None, "housing": None}
    absent = {name: value for name, value in known.items() if value is not None}
    for place, application in enumerate([known, absent, SMALL.example()]):
        at = START + timedelta(minutes=place)
        features = json.dumps(application).encode()
        ledger.write_records([DecisionRecord(new_id(at), "r-1", at, FIRST, features, 0.9, 1)], [])
    with connected(ledger.url) as connection:
        needed = {*policy.needs, "purpose"}
        simulation = simulate(policy, past_decisions(SMALL, needed, connection, None, None, None, pytest.fail))
    found = Counter({code: sum(each.total for each in cells) for code, cells in simulation.by_rule()})
    assert +found == Counter(policy.decide(each, 0.9).rule for each in (known, known, SMALL.example()))


def test_a_span_and_a_version_are_selected(history: Ledger) -> None:
    assert simulated(history, "--model-version", "1.1.0")["decisions"] == 80
    assert simulated(history, "--model-version", "1.0.0")["decisions"] == 60
    until = (START + timedelta(minutes=11)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    some = simulated(history, "--to", until)
    assert (some["decisions"], some["from"], some["to"]) == (10, None, "2024-03-13T10:41:00Z")
    none = run(history, str(EXAMPLE), "--to", "2024-03-13")
    assert (none.exit_code, none.output) == (0, "No matching decision is recorded: nothing was simulated.\n")


def test_people_get_tables(ledger: Ledger) -> None:
    ledger.single(probability=0.9)
    ledger.single(probability=0.6, education="Not Graduate")
    ledger.single(probability=0.9, loan_amount=30_000_000, income_annum=1_000_000)
    result = run(ledger, str(EXAMPLE), "--by", "education")
    assert result.output.splitlines() == [
        "Policy 2026-11 on 3 recorded decisions: 2 change (66.7%).",
        "",
        "         the policy would →",
        "decided  approve  refer  decline",
        "approve        1      1        1",
        "refer          0      0        0",
        "decline        0      0        0",
        "",
        "transition         decisions  bad  good  unknown",
        "approve → approve          1    0     0        1",
        "approve → refer            1    0     0        1",
        "approve → decline          1    0     0        1",
        "",
        "rule            transition         decisions  bad  good  unknown",
        "loan_too_large  approve → decline          1    0     0        1",
        "score_too_low                              0",
        "well_secured                               0",
        "large_loan                                 0",
        "young_business                             0",
        "(probability)   approve → approve          1    0     0        1",
        "                approve → refer            1    0     0        1",
        "",
        "education      transition         decisions  bad  good  unknown",
        "Graduate       approve → approve          1    0     0        1",
        "               approve → decline          1    0     0        1",
        "Not Graduate   approve → refer            1    0     0        1",
        "Post Graduate                             0",
    ]


def test_damaged_records_are_named_and_skipped(history: Ledger) -> None:
    with open_engine(history.url).begin() as connection:
        first = connection.scalar(
            decisions.select().with_only_columns(decisions.c.id).order_by(decisions.c.id).limit(1)
        )
        whole = connection.scalar(batches.select().with_only_columns(batches.c.id).order_by(batches.c.id).limit(1))
        connection.execute(update(decisions).where(decisions.c.id == first).values(features={"loan_term": 5.0}))
        connection.execute(update(batches).where(batches.c.id == whole).values(content=b""))
    result = run(history, str(EXAMPLE))
    assert result.exit_code == 1
    assert result.output.startswith("Policy 2026-11 on 99 recorded decisions:")
    assert result.output.splitlines()[-3:] == [
        "Error: 2 records are damaged and were left out:",
        f"  {first}",
        f"  {whole}",
    ]


def test_only_categories_form_segments_and_policies_must_be_valid(ledger: Ledger) -> None:
    number = run(ledger, str(EXAMPLE), "--by", "cibil_score")
    assert (number.exit_code, "cibil_score is not a category of the form" in number.output) == (2, True)
    missing = run(ledger, "missing.toml")
    assert (missing.exit_code, missing.output) == (
        1,
        "Error: missing.toml: the file cannot be read: No such file or directory\n",
    )
