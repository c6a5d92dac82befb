"""Importance of the groups: their mean contribution to the probability, by the method that explains decisions."""

import numpy as np

from loan_api.scoring.attribution import MOST_EXACT_GROUPS, Attributor
from loan_api.scoring.pipeline import frame_columns
from loan_api.scoring.profiles import ReferenceProfiles
from loan_api.scoring.scorer import Scorer
from training.data.split import Split

_MOST_APPLICATIONS = 500
# Limit on the mixtures to score, for which a forest takes about ten seconds.
_MIXTURES = 500_000
_SEED = 0


def group_importance(split: Split, scorer: Scorer, profiles: ReferenceProfiles) -> dict[str, float]:
    """Return the mean absolute contribution of every group over held-out applications, largest first.

    The applications are a random sample; the more mixtures each one takes, the smaller the sample.
    """
    form = split.form
    coalitions = 2 ** min(len(form.groups), MOST_EXACT_GROUPS)
    affordable = max(1, _MIXTURES // (coalitions * len(profiles.weights)))
    size = min(_MOST_APPLICATIONS, affordable, len(split.holdout_applications))
    sample = split.holdout_applications.sample(size, random_state=_SEED)
    found = Attributor(form, scorer, profiles).attribute(frame_columns(form, sample))
    means = np.abs(found.contributions).mean(axis=0).tolist()
    importance = {group.name: mean for group, mean in zip(form.groups, means, strict=True)}
    return dict(sorted(importance.items(), key=lambda item: -item[1]))
