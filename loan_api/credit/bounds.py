"""Bounds on probabilities: finitely many applications never prove certainty.

The module ships with the registered model and depends only on numpy and scikit-learn.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone


def laplace_bound(applications: int) -> float:
    """Return the smallest probability of an outcome that n applications without it justify: 1 / (n + 2).

    Laplace's rule of succession (Essai philosophique sur les probabilités, 1814).
    """
    return 1 / (applications + 2)


class BoundedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier of the outcomes 0 and 1 whose probabilities are clipped to [bound, 1 - bound].

    The bound is Laplace's for the number of applications that it is fitted on.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, applications: ArrayLike, outcomes: ArrayLike) -> Self:
        """Fit the classifier on n applications."""
        self.estimator_ = clone(self.estimator).fit(applications, outcomes)
        self.classes_ = self.estimator_.classes_
        self.bound_ = laplace_bound(len(np.asarray(outcomes)))
        return self

    def predict_proba(self, applications: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities of both outcomes (n, 2)."""
        # XGBoost returns float32.
        approved = self.estimator_.predict_proba(applications)[:, 1].astype(np.float64)
        approved = np.clip(approved, self.bound_, 1 - self.bound_)
        return np.column_stack([1 - approved, approved])

    def predict(self, applications: ArrayLike) -> NDArray[np.int64]:
        """Return the likelier outcome (n)."""
        return (self.predict_proba(applications)[:, 1] >= 0.5).astype(np.int64)  # noqa: PLR2004
