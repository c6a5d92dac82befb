"""What comes in, scenario by scenario."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from loan_api.entrypoints.simulation.applicants import Applicant, Applicants

_BATCH_ROWS = 100
# As many as a web worker decides itself: larger batches go to a process of their own and hold up nobody.
_HEAVY_ROWS = 200
_BATCH_SHARE = 0.02
_BAD_SHARE = 0.3


@dataclass(frozen=True)
class Call:
    """One request, and for a single application what would become of it."""

    path: str
    body: bytes
    outcome: int | None = None


@dataclass(frozen=True)
class Scenario:
    """How requests are made; `pressure` clients post batches beside them without pause."""

    meaning: str
    next_call: Callable[[Applicants, Random], Call]
    pressure: int = 0


def _single(applicant: Applicant) -> Call:
    return Call("/predict", json.dumps(applicant.application).encode(), applicant.outcome)


def _batch(applicants: Applicants, rows: int, change: Callable[[Applicant], Applicant] = lambda each: each) -> Call:
    instances = [change(applicants.draw()).application for _ in range(rows)]
    return Call("/predict/batch", json.dumps({"instances": instances}).encode())


def heavy_batch(applicants: Applicants) -> Call:
    """A batch that holds up a worker for some milliseconds."""
    return _batch(applicants, _HEAVY_ROWS)


def _steady(applicants: Applicants, random: Random) -> Call:
    if random.random() < _BATCH_SHARE:
        return _batch(applicants, _BATCH_ROWS)
    return _single(applicants.draw())


def _drifted(applicant: Applicant) -> Applicant:
    """Poorer, with less credit, asking for more; what becomes of it is as before, which the model cannot know."""
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
    "steady": Scenario("applications like those that the model was trained on; nothing should fire", _steady),
    "drift": Scenario(
        "poorer applicants who ask for more: drifting features, values out of range, decisions worse than promised",
        _drift,
    ),
    "errors": Scenario("three in ten requests are not valid: refused input", _errors),
    "slow": Scenario("large inline batches without pause beside the applications: slow answers", _steady, pressure=48),
}
