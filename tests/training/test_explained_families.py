"""Models of three families explain their decisions completely and are never certain."""

import numpy as np
import pytest

from loan_api.scoring.attribution import Attributor
from loan_api.scoring.columns import applications_of, columns_of, rows_of
from loan_api.scoring.compiled import CompiledForm
from loan_api.scoring.scorer import Scorer
from training.data.dataset import Dataset
from training.data.split import Split, split_dataset
from training.registry.golden import probe_applications
from training.registry.packaging import compile_winner, training_edges
from training.registry.profiles import reference_profiles
from training.selection.candidates import select_candidates
from training.selection.evaluation import Conditions, Evaluation, evaluate

FAMILIES = ("logistic_regression", "decision_tree", "lightgbm_few")


@pytest.fixture(scope="module")
def split(small_dataset: Dataset) -> Split:
    return split_dataset(small_dataset)


@pytest.fixture(scope="module", params=FAMILIES)
def winner(request: pytest.FixtureRequest, split: Split) -> Evaluation:
    (candidate,) = select_candidates([request.param])
    return evaluate(candidate, split, Conditions(seed=3))


@pytest.fixture(scope="module")
def scorer(winner: Evaluation, split: Split) -> Scorer:
    compiled = compile_winner(winner, split)
    assert isinstance(compiled, CompiledForm), compiled
    return compiled.scorer()


def test_baseline_and_contributions_sum_to_each_of_1000_probabilities(
    winner: Evaluation, scorer: Scorer, split: Split
) -> None:
    profiles = reference_profiles(split, winner.out_of_fold, winner.threshold)
    assert profiles is not None
    columns = columns_of(split.form, probe_applications(split.form, training_edges(split))[:1000])
    found = Attributor(split.form, scorer, profiles).attribute(columns)
    served = [scorer.probability(application) for application in applications_of(split.form, columns, range(1000))]
    assert found.baseline + found.contributions.sum(axis=1) == pytest.approx(np.array(served), abs=1e-9)


def test_no_probability_is_0_or_1(scorer: Scorer, split: Split) -> None:
    """Laplace's rule bounds them by 1 / (n + 2), on 100,000 applications recombined from random ones."""
    columns = columns_of(split.form, probe_applications(split.form, training_edges(split)))
    random = np.random.RandomState(5)
    rows = len(next(iter(columns.values())))
    mixed = {name: values[random.randint(0, rows, 100_000)] for name, values in columns.items()}
    bound = 1 / (len(split.train_outcomes) + 2)
    for start in range(0, 100_000, 20_000):
        probabilities = scorer.probabilities(rows_of(mixed, start, start + 20_000))
        assert bound <= probabilities.min()
        assert probabilities.max() <= 1 - bound
