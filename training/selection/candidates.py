"""Declarations of the candidates.

Every estimator is single-threaded: candidates are trained in parallel, and a served model must not start threads in a
web worker.
"""

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from training.data.split import Split
from training.errors import CandidateError

# The direction in which the probability may move with each input of the estimator: 1, -1, or 0 for either.
Signs = Sequence[int]


class Complexity(IntEnum):
    """Difficulty of explaining a decision. Between equally good candidates the lower value wins."""

    READABLE = 1  # one tree or one sum, which a person can follow
    OPAQUE = 2  # one model that cannot be read
    ENSEMBLE = 3  # many models


@dataclass(frozen=True)
class Candidate:
    """One algorithm. `library` is a dependency beyond scikit-learn.

    `build` makes the unfitted estimator from a seed and the direction in which the probability may move with each
    input. Estimators that are not `constrained` ignore the directions, so they compete only if there are none. Those
    that do not `accept_missing` get the median and an indicator instead. `scaled` estimators compare magnitudes across
    features and get standardised numbers. `row_limit` is the size of the largest training part that it accepts, for
    algorithms whose cost grows faster than the rows. `keeps_applications` marks estimators whose fitted model contains
    training applications.
    """

    name: str
    build: Callable[[int, Signs], Any]
    complexity: Complexity = Complexity.ENSEMBLE
    scaled: bool = False
    library: str | None = None
    constrained: bool = False
    accepts_missing: bool = False
    row_limit: int | None = None
    keeps_applications: bool = False

    @property
    def is_installed(self) -> bool:
        """Return whether its library can be imported."""
        return self.library is None or importlib.util.find_spec(self.library) is not None


def _svc(seed: int, _: Signs) -> Any:
    # SVC yields no probabilities; the calibration is fitted on its cross-validated scores.
    return CalibratedClassifierCV(SVC(C=10.0, random_state=seed), ensemble=False)


def _lightgbm(seed: int, signs: Signs) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=200,
        learning_rate=0.05,
        num_leaves=15,
        min_child_samples=20,
        monotone_constraints=list(signs) if any(signs) else None,
        random_state=seed,
        n_jobs=1,
        verbose=-1,
    )


def _xgboost(seed: int, signs: Signs) -> Any:
    from xgboost import XGBClassifier

    constraints = tuple(signs) if any(signs) else None
    return XGBClassifier(
        n_estimators=200, learning_rate=0.1, monotone_constraints=constraints, random_state=seed, n_jobs=1
    )


def _catboost(seed: int, signs: Signs) -> Any:
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        iterations=200,
        # A text, because CatBoost changes lists, and scikit-learn then refuses to clone it.
        monotone_constraints=str(tuple(signs)) if any(signs) else None,
        random_seed=seed,
        thread_count=1,
        verbose=False,
        allow_writing_files=False,
    )


def _hist_gradient_boosting(seed: int, signs: Signs) -> Any:
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=8,
        min_samples_leaf=20,
        l2_regularization=1.0,
        early_stopping=False,
        monotonic_cst=_constraints(signs),
        random_state=seed,
    )


def _constraints(signs: Signs) -> list[int] | None:
    """Return the directions for scikit-learn, which fits faster without any."""
    return list(signs) if any(signs) else None


def _forest(seed: int, signs: Signs) -> Any:
    return RandomForestClassifier(n_estimators=100, monotonic_cst=_constraints(signs), random_state=seed)


def _regular_forest(seed: int, signs: Signs) -> Any:
    return RandomForestClassifier(
        n_estimators=200, min_samples_leaf=5, monotonic_cst=_constraints(signs), random_state=seed
    )


def _extra_trees(seed: int, signs: Signs) -> Any:
    return ExtraTreesClassifier(n_estimators=100, monotonic_cst=_constraints(signs), random_state=seed)


# One split of one feature, which a candidate must beat to be worth its complexity.
BASELINE = Candidate(
    "stump",
    lambda seed, signs: DecisionTreeClassifier(max_depth=1, monotonic_cst=_constraints(signs), random_state=seed),
    complexity=Complexity.READABLE,
    constrained=True,
    accepts_missing=True,
)

CANDIDATES: tuple[Candidate, ...] = (
    # The signs of its coefficients are probed after the fit.
    Candidate(
        "logistic_regression",
        lambda seed, _: LogisticRegression(max_iter=5000, random_state=seed),
        complexity=Complexity.READABLE,
        constrained=True,
        scaled=True,
    ),
    Candidate(
        "decision_tree",
        lambda seed, signs: DecisionTreeClassifier(monotonic_cst=_constraints(signs), random_state=seed),
        complexity=Complexity.READABLE,
        constrained=True,
        accepts_missing=True,
    ),
    Candidate("random_forest", _forest, constrained=True, accepts_missing=True),
    Candidate("regular_forest", _regular_forest, constrained=True, accepts_missing=True),
    Candidate("extra_trees", _extra_trees, constrained=True, accepts_missing=True),
    Candidate("hist_gradient_boosting", _hist_gradient_boosting, constrained=True, accepts_missing=True),
    Candidate("ada_boost", lambda seed, _: AdaBoostClassifier(n_estimators=100, random_state=seed)),
    Candidate("svc", _svc, complexity=Complexity.OPAQUE, scaled=True, row_limit=15_000, keeps_applications=True),
    Candidate(
        "k_nearest_neighbours",
        lambda _, __: KNeighborsClassifier(n_neighbors=7),
        complexity=Complexity.OPAQUE,
        scaled=True,
        row_limit=15_000,
        keeps_applications=True,
    ),
    Candidate("naive_bayes", lambda _, __: GaussianNB(), complexity=Complexity.READABLE, scaled=True),
    Candidate(
        "mlp",
        lambda seed, _: MLPClassifier((32, 16), max_iter=500, early_stopping=True, random_state=seed),
        complexity=Complexity.OPAQUE,
        scaled=True,
    ),
    Candidate("lightgbm", _lightgbm, library="lightgbm", constrained=True, accepts_missing=True),
    Candidate("xgboost", _xgboost, library="xgboost", constrained=True, accepts_missing=True),
    Candidate("catboost", _catboost, library="catboost", constrained=True, accepts_missing=True),
)


def able_to_learn_from(
    split: Split, candidates: Sequence[Candidate]
) -> tuple[tuple[Candidate, ...], tuple[tuple[Candidate, str], ...]]:
    """Split the candidates into those that can handle the data and the rest, each with the reason."""
    rows = len(split.train_outcomes)
    unable: list[tuple[Candidate, str]] = []
    for candidate in candidates:
        if candidate.row_limit is not None and rows > candidate.row_limit:
            limit = f"its limit is {candidate.row_limit:,} training rows; there are {rows:,}"
            unable.append((candidate, f"its cost grows faster than the rows, and {limit}"))
        elif not candidate.constrained and any(split.form.constraints.values()):
            unable.append((candidate, "it cannot follow the effects that the form declares"))
    refused = [candidate for candidate, _ in unable]
    return tuple(candidate for candidate in candidates if candidate not in refused), tuple(unable)


def select_candidates(names: Iterable[str] = ()) -> tuple[Candidate, ...]:
    """Return the candidates called `names`, in declared order, or all whose library is installed.

    Raises CandidateError if a name is unknown or its library is missing.
    """
    wanted = set(names)
    unknown = wanted - {candidate.name for candidate in CANDIDATES}
    if unknown:
        known = ", ".join(candidate.name for candidate in CANDIDATES)
        raise CandidateError(f"no candidate is called {', '.join(sorted(unknown))}; choose from {known}")
    for candidate in CANDIDATES:
        if candidate.name in wanted and not candidate.is_installed:
            raise CandidateError(f"candidate {candidate.name} needs {candidate.library}; install it with make boosters")
    return tuple(c for c in CANDIDATES if (c.name in wanted if wanted else c.is_installed))
