"""Fixtures and hooks of all tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.skips import debian_packages

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.support.homes import TrainedHome
    from tests.support.postgresql import Server

# Some tests import onnxruntime without the module that sets this variable.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# Tests run in parallel already. On tiny matrices, threads that wait for each other make BLAS a hundred times slower.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


# The longest file comes first and creates the shared homes, while other processes run tests that need none. Slow tests
# follow and fast ones come last, so that all processes finish at about the same time.
_ORDER = ("e2e/test_decision_log.py", "api", "training", "e2e", "integration", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the test files for a short total run time."""
    places = [Path(__file__).parent / part for part in _ORDER]

    def place_of(item: pytest.Item) -> int:
        return next((number for number, place in enumerate(places) if item.path.is_relative_to(place)), len(places))

    items.sort(key=place_of)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport]:
    """Turn skipped tests into failures in CI, where everything that tests need is installed."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report  # type: ignore[return-value]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """End with one line that installs the programs that skipped tests need."""
    yield
    packages = debian_packages(str(report.longrepr) for report in terminalreporter.stats.get("skipped", ()))
    if packages:
        terminalreporter.write_line(f"To run the skipped tests: sudo apt-get install {' '.join(packages)}")


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each application created by a test its own metrics."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a folder shared by all processes of this test run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


# Imports for trained homes take seconds, so only the fixtures that need them import them.
@pytest.fixture(scope="session")
def trained_home(shared_folder: Path) -> Iterator[TrainedHome]:
    """Provide a read-only home with 1.0.0 in Production; tests that change it use `own_home`."""
    import mlflow

    from tests.support.homes import made_once, new_home

    yield made_once(shared_folder / "trained", new_home)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # back to the default


@pytest.fixture(scope="session")
def twice_trained_home(trained_home: TrainedHome, shared_folder: Path) -> TrainedHome:
    """Provide a read-only home where 1.0.1 has replaced 1.0.0; tests that change it use `two_versions`."""
    from tests.support.homes import made_once, with_refit

    return made_once(shared_folder / "twice-trained", lambda home: with_refit(trained_home, home))


@pytest.fixture(scope="session")
def german_home(shared_folder: Path) -> TrainedHome:
    """Provide a read-only home with 1.0.0 of another form in Production."""
    from tests.support.homes import made_once, new_german_home

    return made_once(shared_folder / "german", new_german_home)


@pytest.fixture
def own_home(trained_home: TrainedHome, tmp_path: Path) -> TrainedHome:
    """Provide a copy of `trained_home` that the test may change."""
    from tests.support.homes import copy_of

    return copy_of(trained_home, tmp_path / "home")


@pytest.fixture
def two_versions(twice_trained_home: TrainedHome, tmp_path: Path) -> TrainedHome:
    """Provide a copy of `twice_trained_home` that the test may change."""
    from tests.support.homes import copy_of

    return copy_of(twice_trained_home, tmp_path / "home")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Run a server for all tests, with a database for each; a test that stops it must restart it."""
    from tests.support.postgresql import running_server

    with running_server() as server:
        yield server
