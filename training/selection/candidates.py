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
from sklearn.ensemble import AdaBoostClassifier, ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from training.errors import CandidateError


class Complexity(IntEnum):
    """Difficulty of explaining a decision. Between equally good candidates the lower value wins."""

    READABLE = 1  # one tree or one sum, which a person can follow
    OPAQUE = 2  # one model that cannot be read
    ENSEMBLE = 3  # many models


@dataclass(frozen=True)
class Candidate:
    """One algorithm. `build` makes the unfitted estimator from a seed; `library` is a dependency beyond scikit-learn.

    `scaled` estimators compare magnitudes across features and get standardised numbers. `row_limit` is the size of the
    largest training part it accepts, for algorithms whose cost grows faster than the rows. `keeps_applications` marks
    estimators whose fitted model contains training applications.
    """

    name: str
    build: Callable[[int], Any]
    complexity: Complexity = Complexity.ENSEMBLE
    scaled: bool = False
    library: str | None = None
    row_limit: int | None = None
    keeps_applications: bool = False

    @property
    def is_installed(self) -> bool:
        """Return whether its library can be imported."""
        return self.library is None or importlib.util.find_spec(self.library) is not None


def _svc(seed: int) -> Any:
    # SVC yields no probabilities; the calibration is fitted on its cross-validated scores.
    return CalibratedClassifierCV(SVC(C=10.0, random_state=seed), ensemble=False)


def _lightgbm(seed: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=200, learning_rate=0.1, random_state=seed, n_jobs=1, verbose=-1)


def _xgboost(seed: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=200, learning_rate=0.1, random_state=seed, n_jobs=1)


def _catboost(seed: int) -> Any:
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        iterations=200, random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False
    )


# One split of one feature, which a candidate must beat to be worth its complexity.
BASELINE = Candidate(
    "stump", lambda seed: DecisionTreeClassifier(max_depth=1, random_state=seed), complexity=Complexity.READABLE
)

CANDIDATES: tuple[Candidate, ...] = (
    Candidate(
        "logistic_regression",
        lambda seed: LogisticRegression(max_iter=5000, random_state=seed),
        complexity=Complexity.READABLE,
        scaled=True,
    ),
    Candidate("decision_tree", lambda seed: DecisionTreeClassifier(random_state=seed), complexity=Complexity.READABLE),
    Candidate("random_forest", lambda seed: RandomForestClassifier(n_estimators=100, random_state=seed)),
    Candidate("extra_trees", lambda seed: ExtraTreesClassifier(n_estimators=100, random_state=seed)),
    Candidate("ada_boost", lambda seed: AdaBoostClassifier(n_estimators=100, random_state=seed)),
    Candidate("svc", _svc, complexity=Complexity.OPAQUE, scaled=True, row_limit=15_000, keeps_applications=True),
    Candidate(
        "k_nearest_neighbours",
        lambda _: KNeighborsClassifier(n_neighbors=7),
        complexity=Complexity.OPAQUE,
        scaled=True,
        row_limit=15_000,
        keeps_applications=True,
    ),
    Candidate("naive_bayes", lambda _: GaussianNB(), complexity=Complexity.READABLE, scaled=True),
    Candidate(
        "mlp",
        lambda seed: MLPClassifier((32, 16), max_iter=500, early_stopping=True, random_state=seed),
        complexity=Complexity.OPAQUE,
        scaled=True,
    ),
    Candidate("lightgbm", _lightgbm, library="lightgbm"),
    Candidate("xgboost", _xgboost, library="xgboost"),
    Candidate("catboost", _catboost, library="catboost"),
)


def able_to_learn_from(
    rows: int, candidates: Sequence[Candidate]
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """Split the candidates into those that can handle this number of rows and the rest."""
    able = tuple(c for c in candidates if c.row_limit is None or rows <= c.row_limit)
    return able, tuple(c for c in candidates if c not in able)


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
