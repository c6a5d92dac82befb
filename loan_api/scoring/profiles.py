"""Reference profiles: the typical approved applications to which reasons compare an application."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form
from loan_api.scoring.columns import Application, Columns, columns_of

MOST_PROFILES = 20
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class ReferenceProfiles:
    """At most `MOST_PROFILES` applications with their weights, which sum to 1."""

    weights: Sequence[float]
    profiles: Sequence[Application]

    def to_json(self) -> dict[str, Any]:
        """Return the profiles as values for JSON."""
        return {"weights": list(self.weights), "profiles": [dict(profile) for profile in self.profiles]}

    @classmethod
    def from_json(cls, kept: Any) -> Self:
        """Parse profiles written by `to_json`. Raises ValueError, KeyError or TypeError if they are damaged."""
        weights, profiles = kept["weights"], kept["profiles"]
        if not 0 < len(profiles) <= MOST_PROFILES or len(weights) != len(profiles):
            raise ValueError(f"there must be 1 to {MOST_PROFILES} reference profiles, each with a weight")
        # NaN fails both comparisons.
        if not all(weight >= 0 for weight in weights) or not abs(math.fsum(weights) - 1) <= _TOLERANCE:
            raise ValueError("the weights of the reference profiles must sum to 1")
        return cls(tuple(weights), tuple(profiles))

    def columns(self, form: Form) -> Columns:
        """Return the profiles as columns. Raises ValueError if one is not a valid application of the form."""
        for profile in self.profiles:
            if not isinstance(profile, Mapping) or profile.keys() != set(form.names):
                raise ValueError("a reference profile does not have the features of the form")
            for feature in form.features:
                if not _is_valid(feature, profile[feature.name]):
                    raise ValueError(f"a reference profile has an invalid value for {feature.name}")
        return columns_of(form, self.profiles)

    @property
    def weight_column(self) -> NDArray[np.float64]:
        """Return the weights (number of profiles)."""
        return np.array(self.weights)


def _is_valid(feature: Feature, value: Any) -> bool:
    if value is None:
        return feature.optional
    if isinstance(feature, CategoryFeature):
        return value in feature.values
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and feature.minimum <= value <= feature.maximum and not (feature.whole and value % 1)
