"""Runs a model without the project: `python -I clean_process.py ARTIFACT GOLDEN HOLDOUT ANSWERS`.

The process can import only what the artifact ships, so this script imports nothing from the project. GOLDEN and HOLDOUT
are pickled frames of applications; the script writes the JSON file ANSWERS.
"""

import gc
import json
import sys
from pathlib import Path
from timeit import repeat
from typing import Any

TIMED_BATCH = 1000
REPEATS_SINGLE = 20
REPEATS_BATCH = 5


def main(artifact: str, golden: str, holdout: str, answers: str) -> None:
    """Load the artifact, score both frames, time it, and write the results."""
    # Imported modules stay; looking for garbage in them takes a fifth of the time.
    gc.disable()
    import mlflow
    import numpy as np
    import pandas as pd

    # The calling process has just written these frames; the artifact contains no pickle.
    golden_rows, held_out = (pd.read_pickle(path) for path in (golden, holdout))  # noqa: S301
    # suppress_warnings skips a check of every installed distribution.
    model = mlflow.pyfunc.load_model(artifact, suppress_warnings=True)
    pipeline, labels = model.get_raw_model(), model.predict(held_out)
    gc.enable()
    batch = held_out.iloc[np.resize(np.arange(len(held_out)), TIMED_BATCH)]
    found: dict[str, Any] = {
        "golden": pipeline.predict_proba(golden_rows)[:, 1].tolist(),
        "holdout": pipeline.predict_proba(held_out)[:, 1].tolist(),
        "labels": [int(label) for label in labels],
        # Take the fastest of a few attempts, as noise only adds time.
        "seconds_1_row": min(repeat(lambda: pipeline.predict_proba(batch.iloc[:1]), number=1, repeat=REPEATS_SINGLE)),
        "seconds_1000_rows": min(repeat(lambda: pipeline.predict_proba(batch), number=1, repeat=REPEATS_BATCH)),
    }
    Path(answers).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
