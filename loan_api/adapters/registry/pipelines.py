"""Loading of reference pipelines. scikit-learn is only imported on use."""

from pathlib import Path
from typing import Any

import yaml


def load_pipeline(artifact: Path) -> Any:
    """Load the fitted pipeline, limited to the types it was registered with. Raises the libraries' own errors.

    MLflow is avoided because importing it starts a process, which a thread next to gevent's loop must not do.
    """
    from skops.io import load

    description = yaml.safe_load((artifact / "MLmodel").read_text(encoding="utf-8"))
    flavor = description["flavors"]["sklearn"]
    return load(artifact / flavor["pickled_model"], trusted=flavor["skops_trusted_types"])
