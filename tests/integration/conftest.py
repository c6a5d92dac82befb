"""What the tests with a real MLflow share."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_artifacts_elsewhere() -> Iterator[None]:
    """Everything that MLflow writes lies under LOAN_HOME."""
    yield
    assert not Path("mlruns").exists()
