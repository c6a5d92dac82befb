"""Scoring times of a compiled form, measured like the pipeline's in `clean_process`."""

from timeit import repeat

import numpy as np
import pandas as pd

from loan_api.credit.features import FEATURE_NAMES
from loan_api.scoring.columns import Columns, columns_of, rows_of
from loan_api.scoring.compiled import CompiledScorer
from training.registry.clean_process import REPEATS_BATCH, REPEATS_SINGLE, TIMED_BATCH


def frame_columns(applications: pd.DataFrame) -> Columns:
    """Convert a frame of applications (n rows, the features) to columns."""
    rows = applications[list(FEATURE_NAMES)].itertuples(index=False, name=None)
    return columns_of([dict(zip(FEATURE_NAMES, row, strict=True)) for row in rows])


def seconds_of(scorer: CompiledScorer, applications: Columns) -> dict[str, float]:
    """Return the seconds for one application and for a thousand, repeated from the n given."""
    places = np.resize(np.arange(len(applications[FEATURE_NAMES[0]])), TIMED_BATCH)
    batch = {name: values[places] for name, values in applications.items()}
    one = rows_of(batch, 0, 1)
    return {
        "seconds_1_row": min(repeat(lambda: scorer.probabilities(one), number=1, repeat=REPEATS_SINGLE)),
        "seconds_1000_rows": min(repeat(lambda: scorer.probabilities(batch), number=1, repeat=REPEATS_BATCH)),
    }
