"""The requests of each scenario."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from loan_api.entrypoints.simulation.applicants import Applicant, Applicants

_BATCH_ROWS = 100
# The size of batches that a web worker scores itself; larger ones go to a batch process and delay no requests.
_HEAVY_ROWS = 200
_BATCH_SHARE = 0.02
_BAD_SHARE = 0.3


@dataclass(frozen=True)
class Call:
    """One request, with the outcome of a single application."""

    path: str
    body: bytes
    outcome: int | None = None


@dataclass(frozen=True)
class Scenario:
    """A source of requests; `pressure` clients also post batches without pause."""

    description: str
    next_call: Callable[[Applicants, Random], Call]
    pressure: int = 0


def _single(applicant: Applicant) -> Call:
    return Call("/predict", json.dumps(applicant.application).encode(), applicant.outcome)


def _batch(applicants: Applicants, rows: int, change: Callable[[Applicant], Applicant] = lambda each: each) -> Call:
    instances = [change(applicants.draw()).application for _ in range(rows)]
    return Call("/predict/batch", json.dumps({"instances": instances}).encode())


def heavy_batch(applicants: Applicants) -> Call:
    """Return a batch that occupies a worker for a few milliseconds."""
    return _batch(applicants, _HEAVY_ROWS)


def _steady(applicants: Applicants, random: Random) -> Call:
    if random.random() < _BATCH_SHARE:
        return _batch(applicants, _BATCH_ROWS)
    return _single(applicants.draw())


def _drifted(applicant: Applicant) -> Applicant:
    """Return a poorer, riskier applicant who asks for more. The outcome stays the same, unknown to the model."""
    application = applicant.application
    changed = application | {
        "cibil_score": max(300, application["cibil_score"] - 150),
        "income_annum": max(1, int(application["income_annum"] * 0.4)),
        "loan_amount": int(application["loan_amount"] * 1.6),
    }
    return Applicant(changed, applicant.outcome)


def _drift(applicants: Applicants, random: Random) -> Call:
    if random.random() < _BATCH_SHARE:
        return _batch(applicants, _BATCH_ROWS, _drifted)
    return _single(_drifted(applicants.draw()))


def _errors(applicants: Applicants, random: Random) -> Call:
    good = applicants.draw()
    if random.random() >= _BAD_SHARE:
        return _single(good)
    spoiled: list[Any] = [
        good.application | {"cibil_score": 9_000},
        good.application | {"loan_term": "twelve"},
        {name: value for name, value in good.application.items() if name != "income_annum"},
        good.application | {"shoe_size": 44},
        "not an application",
    ]
    return Call("/predict", json.dumps(random.choice(spoiled)).encode())


SCENARIOS: Mapping[str, Scenario] = {
    "steady": Scenario("applications like the training data; no alert should fire", _steady),
    "drift": Scenario(
        "poorer applicants who ask for more: feature drift, values out of range, performance below expectation",
        _drift,
    ),
    "errors": Scenario("three in ten requests are invalid", _errors),
    "slow": Scenario("large batches compete with single applications: slow responses", _steady, pressure=48),
}
