"""The drift of the served model's decisions, from the counts of all workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from loan_api.credit.reference import ReferenceDistribution
from loan_api.scoring.watched import CountLayout, WatchedDistribution
from loan_api.services.drift import DriftReport, DriftService
from loan_api.services.model_registry import ModelRegistry
from tests.support.fakes import FakeModelSource, RecordingObserver, now, reference
from tests.support.forms import SHIPPED


@dataclass(frozen=True)
class Counts:
    """The counts of a worker."""

    numbers: Any
    model_version: str = "1.0.0"
    layout: CountLayout = field(default_factory=lambda: WatchedDistribution(SHIPPED, reference()))


def counts_of(scores: Sequence[int], repeated: int, version: str = "1.0.0") -> Counts:
    """Return the counts of decisions that differ in the credit score only."""
    watched = WatchedDistribution(SHIPPED, reference())
    numbers = np.zeros(watched.size)
    for score in scores:
        for place in watched.places(SHIPPED.example() | {"cibil_score": score}, (score - 300) / 600):
            numbers[place] += repeated
    return Counts(numbers, version)


def report_of(*workers: Counts) -> DriftReport | None:
    registry = ModelRegistry(FakeModelSource(), RecordingObserver(), now)
    return DriftService(registry, lambda: workers).report()


def test_the_counts_of_all_workers_are_added_and_those_of_other_versions_left_out() -> None:
    other = counts_of((300,), 1000, version="0.9.0")
    report = report_of(counts_of((300, 600), 400), counts_of((900,), 400), other)
    assert report is not None
    assert (report.decisions, report.reference) == (1200, 3)
    (feature,) = [each for each in report.features if each.name == "cibil_score"]
    assert {each.label: each.actual for each in feature.bins if each.actual} == {
        "[300, 360)": pytest.approx(1 / 3),
        "[600, 660)": pytest.approx(1 / 3),
        "[840, 900]": pytest.approx(1 / 3),
    }
    assert feature.psi == pytest.approx(0)
    assert feature.state == "stable"


def test_a_version_with_other_bins_under_the_same_number_is_left_out() -> None:
    frame_reference = ReferenceDistribution(reference().features, reference().score, approval_ratio=0.9)
    assert report_of(Counts(np.ones(500), layout=CountLayout(frame_reference))) is None


def test_a_distribution_that_moved_has_drifted_and_few_decisions_prove_nothing() -> None:
    report = report_of(counts_of((600,), 3000))
    assert report is not None
    states = {each.name: each.state for each in (report.score, *report.features)}
    assert states == dict.fromkeys(SHIPPED.names, "stable") | {"cibil_score": "drifted", None: "drifted"}
    # The reference has three applications only, so that even a large distance could be chance.
    assert report.score.psi > report.score.noise > 4
    few = report_of(counts_of((600,), 499))
    assert few is not None
    assert {each.state for each in (few.score, *few.features)} == {"too_few"}


def test_before_the_first_decision_there_is_no_report() -> None:
    assert report_of() is None
    assert report_of(counts_of((), 1)) is None
