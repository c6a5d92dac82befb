"""The models that compete, each declared once.

Every estimator is single-threaded: candidates are trained side by side, and a served model must not start threads of
its own in a web worker.
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
    """How hard it is to say why: of two equally good candidates, the smaller one wins."""

    READABLE = 1  # one tree, one sum: a person can follow it
    OPAQUE = 2  # one model, but not one to read
    ENSEMBLE = 3  # many models


@dataclass(frozen=True)
class Candidate:
    """One competitor. `build` makes the unfitted estimator from a seed; `library` is what it needs beyond scikit-learn.

    `scaled` estimators compare magnitudes across features and see them standardised; the others see them as they are.
    `row_limit` is the most rows to learn from that it takes part with, where its cost grows faster than the rows.
    `keeps_applications` says that the fitted model holds some of the applications it learnt from.
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
        """Whether the library that it needs can be imported."""
        return self.library is None or importlib.util.find_spec(self.library) is not None


def _svc(seed: int) -> Any:
    # SVC has no probabilities of its own; the calibration is fitted on its cross-validated scores.
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


# One split of one feature: what a candidate must beat to be worth its complexity.
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
    """The candidates that can cope with so many rows, and those that are to be left out."""
    able = tuple(c for c in candidates if c.row_limit is None or rows <= c.row_limit)
    return able, tuple(c for c in candidates if c not in able)


def select_candidates(names: Iterable[str] = ()) -> tuple[Candidate, ...]:
    """The candidates called `names`, in declared order; without names, every one whose library is installed.

    Raises CandidateError for a name that does not exist or whose library is missing.
    """
    wanted = set(names)
    unknown = wanted - {candidate.name for candidate in CANDIDATES}
    if unknown:
        known = ", ".join(candidate.name for candidate in CANDIDATES)
        raise CandidateError(f"no candidate is called {', '.join(sorted(unknown))}; there are {known}")
    for candidate in CANDIDATES:
        if candidate.name in wanted and not candidate.is_installed:
            raise CandidateError(f"candidate {candidate.name} needs {candidate.library}: make boosters")
    return tuple(c for c in CANDIDATES if (c.name in wanted if wanted else c.is_installed))
