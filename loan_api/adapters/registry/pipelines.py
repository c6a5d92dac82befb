"""Loads the reference pipeline of an artifact. Imports scikit-learn when it is called, not before."""

from pathlib import Path
from typing import Any

import yaml


def load_pipeline(artifact: Path) -> Any:
    """The fitted pipeline, limited to the types that it was registered with; it raises what the libraries raise.

    Without MLflow: its import starts a process, which a thread beside gevent's loop must not do.
    """
    from skops.io import load

    description = yaml.safe_load((artifact / "MLmodel").read_text(encoding="utf-8"))
    flavor = description["flavors"]["sklearn"]
    return load(artifact / flavor["pickled_model"], trusted=flavor["skops_trusted_types"])
