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
# As a fraction of the spread of the data.
_DRIFT = 0.3


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


def _drifted(applicants: Applicants, applicant: Applicant) -> Applicant:
    """Return the applicant with every number moved against its effect or, if it has none, upwards.

    The outcome stays the same, unknown to the model.
    """
    changed = dict(applicant.application)
    for number in applicants.form.numbers:
        if changed[number.name] is not None:
            step = _DRIFT * applicants.spreads[number.name]
            moved = changed[number.name] + (-step if number.effect == "increasing" else step)
            moved = min(max(moved, number.minimum), number.maximum)
            changed[number.name] = round(moved) if number.whole else moved
    return Applicant(changed, applicant.outcome)


def _drift(applicants: Applicants, random: Random) -> Call:
    if random.random() < _BATCH_SHARE:
        return _batch(applicants, _BATCH_ROWS, lambda applicant: _drifted(applicants, applicant))
    return _single(_drifted(applicants, applicants.draw()))


def _errors(applicants: Applicants, random: Random) -> Call:
    good = applicants.draw()
    if random.random() >= _BAD_SHARE:
        return _single(good)
    feature = random.choice(applicants.form.features)
    spoiled: list[Any] = [
        good.application | {feature.name: "no such value"},
        good.application | {feature.name: [1]},
        {name: value for name, value in good.application.items() if name != feature.name},
        good.application | {"unknown_field": 44},
        "not an application",
    ]
    spoiled += [good.application | {number.name: number.maximum + 1} for number in applicants.form.numbers[:1]]
    return Call("/predict", json.dumps(random.choice(spoiled)).encode())


SCENARIOS: Mapping[str, Scenario] = {
    "steady": Scenario("applications like the training data; no alert should fire", _steady),
    "drift": Scenario(
        "numbers moved against their effect, or upwards: feature drift, values out of range, low performance",
        _drift,
    ),
    "errors": Scenario("three in ten requests are invalid", _errors),
    "slow": Scenario("large batches compete with single applications: slow responses", _steady, pressure=48),
}
