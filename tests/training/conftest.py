"""Small data for fast training tests."""

from pathlib import Path

import pytest

from tests.support.forms import SHIPPED
from training.data.dataset import Dataset, read_dataset
from training.data.sample import write_sample


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return 400 synthetic applications."""
    path: Path = tmp_path_factory.mktemp("data") / "small.csv"
    write_sample(SHIPPED, path, rows=400, seed=7)
    return read_dataset(SHIPPED, path)
