"""Runs a model as a stranger would: `python -I clean_process.py ARTIFACT GOLDEN HOLDOUT ANSWERS`.

A process of its own that cannot import the project, only what the artifact ships. GOLDEN and HOLDOUT are pickled frames
of applications, ANSWERS is the JSON file that it writes. It imports nothing of the project.
"""

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

TIMED_BATCH = 1000
REPEATS_SINGLE = 20
REPEATS_BATCH = 5


def main(artifact: str, golden: str, holdout: str, answers: str) -> None:
    """Loads the artifact, scores both frames, times it, and writes what it found."""
    # What is imported stays; looking for garbage in it takes a fifth of the time.
    gc.disable()
    import mlflow
    import numpy as np
    import pandas as pd

    # Frames that the calling process wrote a moment ago; the artifact itself holds no pickle.
    golden_rows, held_out = (pd.read_pickle(path) for path in (golden, holdout))  # noqa: S301
    pipeline = mlflow.sklearn.load_model(artifact)
    # Without the check of every installed distribution, which nobody would see.
    labels = mlflow.pyfunc.load_model(artifact, suppress_warnings=True).predict(held_out)
    gc.enable()
    batch = held_out.iloc[np.resize(np.arange(len(held_out)), TIMED_BATCH)]
    found: dict[str, Any] = {
        "golden": pipeline.predict_proba(golden_rows)[:, 1].tolist(),
        "holdout": pipeline.predict_proba(held_out)[:, 1].tolist(),
        "labels": [int(label) for label in labels],
        "seconds_1_row": quickest(lambda: pipeline.predict_proba(batch.iloc[:1]), REPEATS_SINGLE),
        "seconds_1000_rows": quickest(lambda: pipeline.predict_proba(batch), REPEATS_BATCH),
    }
    Path(answers).write_text(json.dumps(found), encoding="utf-8")


def quickest(action: Callable[[], object], repeats: int) -> float:
    """Seconds; the quickest of a few, as noise only ever adds."""
    seconds = []
    for _ in range(repeats):
        started = perf_counter()
        action()
        seconds.append(perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
