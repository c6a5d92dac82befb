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
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
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
    """One algorithm. `library` is a dependency beyond scikit-learn, whose package and distribution have the same name.

    `build` makes the unfitted estimator from a seed, the direction in which the probability may move with each input,
    and the number of trees; cross-validation chooses that number from `rounds`, which is empty for algorithms without
    it. A candidate that is not `constrained` could only follow the directions by chance, so it competes only if the
    form declares none; all others are probed after the fit. Those that do not `accept_missing` get the median and an
    indicator instead. `scaled` estimators compare magnitudes across features and get standardised numbers. `row_limit`
    is the size of the largest training set that it accepts, for algorithms whose cost grows faster than the rows.
    `keeps_applications` marks estimators whose fitted model contains training applications. A candidate that is not
    `usual` competes only if it is named.
    """

    name: str
    build: Callable[[int, Signs, int], Any]
    complexity: Complexity = Complexity.ENSEMBLE
    rounds: tuple[int, ...] = ()
    scaled: bool = False
    library: str | None = None
    constrained: bool = False
    accepts_missing: bool = False
    row_limit: int | None = None
    keeps_applications: bool = False
    usual: bool = True

    @property
    def is_installed(self) -> bool:
        """Return whether its library can be imported."""
        return self.library is None or importlib.util.find_spec(self.library) is not None


_FEW_ROUNDS = (5, 10, 15, 20)
_ROUNDS = (25, 50, 75, 100, 150, 200, 300, 400, 500)
_Build = Callable[[int, Signs, int], Any]


def _constraints(signs: Signs) -> list[int] | None:
    """Return the directions as the libraries expect them; all fit faster without any."""
    return list(signs) if any(signs) else None


def _logistic_regression(penalty: float) -> _Build:
    return lambda seed, _, __: LogisticRegression(C=1 / penalty, max_iter=5000, random_state=seed)


def _boosting(leaves: int, rate: float, *, least: int = 20, random_splits: bool = False) -> _Build:
    """Return gradient boosting of small trees on random parts of the data, which need not be tuned further."""

    def build(seed: int, signs: Signs, rounds: int) -> Any:
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            n_estimators=rounds,
            num_leaves=leaves,
            learning_rate=rate,
            min_child_samples=least,
            extra_trees=random_splits,
            subsample=0.8,
            subsample_freq=1,
            colsample_bytree=0.5,
            reg_lambda=5.0,
            monotone_constraints=_constraints(signs),
            random_state=seed,
            n_jobs=1,
            deterministic=True,
            force_row_wise=True,
            verbose=-1,
        )

    return build


def _few_trees(seed: int, signs: Signs, rounds: int) -> Any:
    """Return boosting in large steps, for data that follows a few sharp rules: as fast to score as a single tree."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=rounds,
        num_leaves=8,
        learning_rate=1.0,
        min_child_samples=1,
        reg_lambda=1.0,
        monotone_constraints=_constraints(signs),
        random_state=seed,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )


_SHALLOW = _boosting(3, 0.05, least=10)
_RANDOM = _boosting(8, 0.05, random_splits=True)


def _linear(seed: int, signs: Signs, rounds: int) -> Any:
    """Return a logistic regression that standardises its inputs itself."""
    return Pipeline([("scale", StandardScaler()), ("linear", _logistic_regression(3.0)(seed, signs, rounds))])


def _vote(*members: _Build) -> _Build:
    """Return the mean of several models."""

    def build(seed: int, signs: Signs, rounds: int) -> Any:
        built = [(f"member_{place}", member(seed, signs, rounds)) for place, member in enumerate(members)]
        return VotingClassifier(built, voting="soft")

    return build


def _tree(seed: int, signs: Signs, _: int) -> Any:
    return DecisionTreeClassifier(monotonic_cst=_constraints(signs), random_state=seed)


def _small_tree(seed: int, signs: Signs, _: int) -> Any:
    return DecisionTreeClassifier(
        min_samples_leaf=20, max_leaf_nodes=24, monotonic_cst=_constraints(signs), random_state=seed
    )


def _forest(seed: int, signs: Signs, _: int) -> Any:
    return RandomForestClassifier(n_estimators=100, monotonic_cst=_constraints(signs), random_state=seed)


def _extra_trees(seed: int, signs: Signs, _: int) -> Any:
    return ExtraTreesClassifier(n_estimators=100, monotonic_cst=_constraints(signs), random_state=seed)


def _hist_gradient_boosting(seed: int, signs: Signs, _: int) -> Any:
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_leaf_nodes=8,
        l2_regularization=5.0,
        monotonic_cst=_constraints(signs),
        random_state=seed,
    )


def _svc(seed: int, _: Signs, __: int) -> Any:
    # SVC yields no probabilities; the calibration is fitted on its cross-validated scores.
    return CalibratedClassifierCV(SVC(C=10.0, random_state=seed), ensemble=False)


def _xgboost(seed: int, signs: Signs, _: int) -> Any:
    from xgboost import XGBClassifier

    constraints = tuple(signs) if any(signs) else None
    return XGBClassifier(
        n_estimators=200, learning_rate=0.1, monotone_constraints=constraints, random_state=seed, n_jobs=1
    )


def _catboost(seed: int, signs: Signs, rounds: int) -> Any:
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        iterations=rounds,
        learning_rate=0.04,
        depth=4,
        l2_leaf_reg=5,
        # A text, because CatBoost changes lists, and scikit-learn then refuses to clone it.
        monotone_constraints=f"({','.join(map(str, signs))})" if any(signs) else None,
        random_seed=seed,
        thread_count=1,
        verbose=False,
        allow_writing_files=False,
    )


# One split of one feature, which a candidate must beat to be worth its complexity.
BASELINE = Candidate(
    "stump",
    lambda seed, signs, _: DecisionTreeClassifier(max_depth=1, monotonic_cst=_constraints(signs), random_state=seed),
    complexity=Complexity.READABLE,
    constrained=True,
    accepts_missing=True,
)


def _linear_candidate(name: str, penalty: float) -> Candidate:
    # It ignores the directions, but whether it follows them is probed after the fit.
    return Candidate(name, _logistic_regression(penalty), complexity=Complexity.READABLE, constrained=True, scaled=True)


def _tree_candidate(name: str, build: _Build, complexity: Complexity = Complexity.ENSEMBLE, **more: Any) -> Candidate:
    return Candidate(name, build, complexity=complexity, constrained=True, accepts_missing=True, **more)


def _boosted_candidate(name: str, build: _Build) -> Candidate:
    return _tree_candidate(name, build, rounds=_ROUNDS, library="lightgbm")


def _vote_candidate(name: str, *members: _Build) -> Candidate:
    return Candidate(name, _vote(*members), rounds=_ROUNDS, library="lightgbm", constrained=True)


CANDIDATES: tuple[Candidate, ...] = (
    _linear_candidate("logistic_regression", 1.0),
    _linear_candidate("logistic_regression_strong", 10.0),
    _tree_candidate("decision_tree", _tree, Complexity.READABLE),
    _tree_candidate("small_tree", _small_tree, Complexity.READABLE),
    _tree_candidate("random_forest", _forest, usual=False),
    _tree_candidate("lightgbm_few", _few_trees, rounds=_FEW_ROUNDS, library="lightgbm"),
    _boosted_candidate("lightgbm", _boosting(6, 0.06)),
    _boosted_candidate("lightgbm_shallow", _SHALLOW),
    _boosted_candidate("lightgbm_random", _RANDOM),
    _vote_candidate("vote_shallow", _linear, _SHALLOW),
    _vote_candidate("vote_boosted", _SHALLOW, _RANDOM),
    _tree_candidate("catboost", _catboost, rounds=_ROUNDS, library="catboost"),
    _tree_candidate("xgboost", _xgboost, library="xgboost", usual=False),
    _tree_candidate("hist_gradient_boosting", _hist_gradient_boosting, usual=False),
    _tree_candidate("extra_trees", _extra_trees, usual=False),
    Candidate("ada_boost", lambda seed, _, __: AdaBoostClassifier(n_estimators=100, random_state=seed), usual=False),
    Candidate(
        "svc", _svc, complexity=Complexity.OPAQUE, scaled=True, row_limit=15_000, keeps_applications=True, usual=False
    ),
    Candidate(
        "k_nearest_neighbours",
        lambda *_: KNeighborsClassifier(n_neighbors=7),
        complexity=Complexity.OPAQUE,
        scaled=True,
        row_limit=15_000,
        keeps_applications=True,
        usual=False,
    ),
    Candidate("naive_bayes", lambda *_: GaussianNB(), complexity=Complexity.READABLE, scaled=True, usual=False),
    Candidate(
        "mlp",
        lambda seed, _, __: MLPClassifier((32, 16), max_iter=500, early_stopping=True, random_state=seed),
        complexity=Complexity.OPAQUE,
        scaled=True,
        usual=False,
    ),
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
    """Return the candidates called `names`, in declared order, or all usual ones whose library is installed.

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
    return tuple(c for c in CANDIDATES if (c.name in wanted if wanted else c.usual and c.is_installed))
