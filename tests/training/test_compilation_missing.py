"""A compiled form gives the same answers as its pipeline for applications with missing values."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from loan_api.credit.bounds import BoundedClassifier
from loan_api.credit.form import parse_form
from loan_api.credit.frame import conform
from loan_api.scoring.columns import Columns, applications_of, columns_of, rows_of
from loan_api.scoring.pipeline import PipelineScorer
from training.compilation.form import compiled_form
from training.registry.golden import golden_applications, probe_applications
from training.selection.candidates import BASELINE, CANDIDATES
from training.selection.pipeline import build_pipeline, monotonicity

FORM = parse_form("""
form.name = "gaps"
outcome = { column = "result", approved = "good", rejected = "bad" }

[features.income]
type = "number"
description = "Income."
minimum = 1
maximum = 100_000
optional = true

[features.debt]
type = "number"
description = "Debt."
minimum = 0
maximum = 100_000
optional = true
effect = "decreasing"

[features.score]
type = "integer"
description = "Score."
minimum = 0
maximum = 100
effect = "increasing"

[features.housing]
type = "category"
description = "Housing."
values = ["own", "rent", "family"]
optional = true

[features.married]
type = "category"
description = "Married."
values = ["yes", "no"]
optional = true

[derived.debt_to_income]
formula = "debt / income"
description = "Debt in years of income."

[derived.scored_income]
formula = "income * score / 100"
description = "Income, weighted by the score."

[derived.income_unknown]
formula = "missing(income)"
description = "Whether the income is missing."
""")
EDGES = {"income": (1.0, 20_000.0, 50_000.0), "debt": (0.0, 10_000.0, 50_000.0), "score": (0.0, 40.0, 60.0, 100.0)}
COMPETITORS = {c.name: c for c in (BASELINE, *CANDIDATES) if c.is_installed and c.name != "k_nearest_neighbours"}
THRESHOLD = 0.5
TREES = 25
ROWS = 400
# XGBoost's own exponential is in float32.
SINGLE_PRECISION = {"xgboost"}


@cache
def sample() -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return applications, a fifth of whose optional values is missing, and outcomes."""
    random = np.random.default_rng(5)
    score, debt = random.integers(0, 101, ROWS), random.uniform(0, 50_000, ROWS)
    columns: dict[str, Any] = {
        "income": random.uniform(1, 50_000, ROWS),
        "debt": debt,
        "score": score,
        "housing": random.choice(["own", "rent", "family"], ROWS),
        "married": random.choice(["yes", "no"], ROWS),
    }
    frame = pd.DataFrame(columns)
    for feature in FORM.features:
        if feature.optional:
            frame[feature.name] = frame[feature.name].mask(random.random(ROWS) < 0.2)
    chance = 1 / (1 + np.exp(-(score - 50) / 15 + (debt - 25_000) / 20_000))
    return conform(FORM, frame), (random.random(ROWS) < chance).astype(np.int64)


@cache
def fitted(name: str) -> Pipeline:
    candidate = COMPETITORS[name]
    imputed = not candidate.accepts_missing
    estimator = candidate.build(1, monotonicity(FORM, imputed=imputed), TREES)
    decider = FixedThresholdClassifier(
        BoundedClassifier(estimator), threshold=THRESHOLD, pos_label=1, response_method="predict_proba"
    )
    pipeline = build_pipeline(FORM, decider, scaled=candidate.scaled, imputed=imputed)
    return pipeline.fit(*sample())


def fresh_rows(rows: int = 1000) -> Columns:
    """Return random applications with fractions and missing values that no proof contains."""
    random = np.random.default_rng(11)
    columns: dict[str, Any] = {
        "income": random.uniform(1, 50_000, rows),
        "debt": random.uniform(0, 50_000, rows),
        "score": random.uniform(0, 100, rows),
        "housing": random.integers(-1, 3, rows).astype(np.int8),
        "married": random.integers(-1, 2, rows).astype(np.int8),
    }
    for name in ("income", "debt"):
        columns[name][random.random(rows) < 0.3] = np.nan
    return columns


@pytest.mark.parametrize("name", COMPETITORS)
def test_it_answers_as_the_pipeline(name: str) -> None:
    pipeline = fitted(name)
    invented = [*golden_applications(FORM, EDGES), *probe_applications(FORM, EDGES)[:500]]
    assert sum(application["income"] is None for application in invented) > 20
    form = compiled_form(FORM, pipeline, THRESHOLD, invented, EDGES)
    assert np.isnan(form.proof.applications["debt"]).sum() > 20
    for applications in (columns_of(FORM, invented), fresh_rows()):
        expected = PipelineScorer(FORM, pipeline).probabilities(applications)
        actual = form.scorer().probabilities(applications)
        assert np.isfinite(actual).all()
        assert np.max(np.abs(actual - expected)) <= (1e-6 if name in SINGLE_PRECISION else 1e-9)


@pytest.mark.parametrize("name", ["logistic_regression", "decision_tree", "lightgbm", "vote_shallow", "catboost"])
def test_an_application_gets_the_same_bits_alone_and_in_a_batch(name: str) -> None:
    if name not in COMPETITORS:
        pytest.skip("make boosters")
    invented = [*golden_applications(FORM, EDGES), *probe_applications(FORM, EDGES)[:100]]
    scorer = compiled_form(FORM, fitted(name), THRESHOLD, invented, EDGES).scorer()
    applications = fresh_rows(100)
    together = scorer.probabilities(applications).tolist()
    alone = [scorer.probability(application) for application in applications_of(FORM, applications, range(100))]
    assert alone == together
    assert [scorer.probabilities(rows_of(applications, row, row + 1))[0] for row in range(100)] == together
