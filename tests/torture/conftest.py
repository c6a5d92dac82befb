"""Fixtures of the torture tests."""

from pathlib import Path

import pytest

from tests.support.homes import TrainedHome, copy_of
from training.registry.promotion import put_into_production
from training.registry.versions import find_version


@pytest.fixture(scope="session")
def two_registered(twice_trained_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> TrainedHome:
    """Provide a read-only home with 1.0.0 in Production and 1.0.1 registered."""
    home = copy_of(twice_trained_home, tmp_path_factory.mktemp("registered") / "home")
    put_into_production(home.client, find_version(home.client, home.settings.model_name, "1.0.0"), "rollback")
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Provide a temporary folder for the test."""
    return tmp_path
