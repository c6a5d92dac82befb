"""Reference profiles of a model: typical applications that were only just approved."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form
from loan_api.scoring.profiles import MOST_PROFILES, ReferenceProfiles
from training.data.split import Split

_LEAST_APPLICATIONS = 10
# With fewer applications near the threshold, each profile would describe only a handful of applicants.
_NEAREST = 2 * _LEAST_APPLICATIONS * MOST_PROFILES
_SEED = 0


def reference_profiles(split: Split, probabilities: NDArray[np.float64], threshold: float) -> ReferenceProfiles | None:
    """Return the profiles of the approved training applications nearest the threshold.

    `probabilities` (n) are those of the training set, from models that had not seen the application. The applications
    are divided into at most `MOST_PROFILES` sets of similar ones, at least ten each; a profile is the mean of a set's
    numbers and the mode of its categories, weighted by the set's share. If the score cannot tell which applications
    are nearest, all approved ones are used. A profile that equals an application of the dataset is left out. Returns
    None if no profile remains, which only happens with a form that permits a handful of applications.
    """
    form = split.form
    nearest = _nearest(split, probabilities, threshold)
    known = {
        tuple(row)
        for part in (split.train_applications, split.holdout_applications)
        for row in _plain(part).itertuples(index=False, name=None)
    }
    most = MOST_PROFILES
    while most:
        sets = _similar(form, nearest, most)
        profiles = [({f.name: _typical(f, some[f.name]) for f in form.features}, len(some)) for some in sets]
        distinct = [(profile, count) for profile, count in profiles if tuple(profile.values()) not in known]
        if distinct:
            total = sum(count for _, count in distinct)
            return ReferenceProfiles([count / total for _, count in distinct], [profile for profile, _ in distinct])
        most //= 2
    return None


def _nearest(split: Split, probabilities: NDArray[np.float64], threshold: float) -> pd.DataFrame:
    approved = split.train_outcomes.to_numpy() == 1
    if (approved & (probabilities >= threshold)).sum() >= _LEAST_APPLICATIONS:
        approved &= probabilities >= threshold
    scores = probabilities[approved]
    limit = np.sort(scores)[min(_NEAREST, len(scores)) - 1]
    # Applications with the same score are equally near, so a score with few values selects all of them.
    nearest: pd.DataFrame = split.train_applications[approved][scores <= limit]
    return nearest


def _similar(form: Form, applications: pd.DataFrame, most: int) -> list[pd.DataFrame]:
    """Divide applications into at most `most` sets of similar ones.

    A regression tree that predicts the features from themselves splits where that reduces their variance most.
    """
    if most == 1:
        return [applications]
    numbers = applications[[number.name for number in form.numbers]].astype("float64")
    numbers = numbers.fillna(numbers.median()).fillna(0)
    scaled = (numbers - numbers.mean()) / numbers.std(ddof=0).replace(0, 1)
    categories = applications[[category.name for category in form.categories]]
    features = pd.concat([scaled, *(pd.get_dummies(categories[name]) for name in categories)], axis=1).to_numpy(
        dtype="float64"
    )
    tree = DecisionTreeRegressor(max_leaf_nodes=most, min_samples_leaf=_LEAST_APPLICATIONS, random_state=_SEED)
    leaves = tree.fit(features, features).apply(features)
    return [applications[leaves == leaf] for leaf in np.unique(leaves)]


def _typical(feature: Feature, values: pd.Series) -> Any:
    """Return the mean of a number or the mode of a category; None if most values are missing."""
    if values.isna().mean() > 0.5:  # noqa: PLR2004
        return None
    if isinstance(feature, CategoryFeature):
        # Among equally frequent values, the first in declared order wins.
        counts = values.value_counts()
        return max(feature.values, key=lambda value: counts.get(value, 0))
    mean = float(values.astype("float64").mean())
    return round(mean) if feature.whole else float(np.clip(mean, feature.minimum, feature.maximum))


def _plain(applications: pd.DataFrame) -> pd.DataFrame:
    """Replace every kind of missing value with None, so that applications can be compared."""
    return applications.astype(object).where(applications.notna(), None)
