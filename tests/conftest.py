"""What every test shares."""

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

# Some tests import it by itself.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


# The longest file first, which makes the homes of all on its way; meanwhile what needs none. Then what takes seconds a
# test, and in the end what takes next to nothing, so that no process is done long before another.
_ORDER = ("e2e/test_decision_log.py", "api", "training", "e2e", "integration", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files in order."""
    places = [Path(__file__).parent / part for part in _ORDER]

    def place_of(item: pytest.Item) -> int:
        return next((number for number, place in enumerate(places) if item.path.is_relative_to(place)), len(places))

    items.sort(key=place_of)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport]:
    """In CI a skipped test is a failure: there, everything that a test needs is installed."""
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
    """An application that a test makes is the only one: it has no metrics in common with others."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


# What the homes need takes seconds to import; tests that have none do not wait for it.
@pytest.fixture(scope="session")
def trained_home(shared_folder: Path) -> Iterator[TrainedHome]:
    """1.0.0 is in Production. Not to be changed; tests that do take `own_home`."""
    import mlflow

    from tests.support.homes import made_once, new_home

    yield made_once(shared_folder / "trained", new_home)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # back to the default


@pytest.fixture(scope="session")
def twice_trained_home(trained_home: TrainedHome, shared_folder: Path) -> TrainedHome:
    """1.0.0 was in Production, 1.0.1 is. Not to be changed; tests that do take `two_versions`."""
    from tests.support.homes import made_once, with_refit

    return made_once(shared_folder / "twice-trained", lambda home: with_refit(trained_home, home))


@pytest.fixture
def own_home(trained_home: TrainedHome, tmp_path: Path) -> TrainedHome:
    """A copy of `trained_home` that the test may change."""
    from tests.support.homes import copy_of

    return copy_of(trained_home, tmp_path / "home")


@pytest.fixture
def two_versions(twice_trained_home: TrainedHome, tmp_path: Path) -> TrainedHome:
    """A copy of `twice_trained_home` that the test may change."""
    from tests.support.homes import copy_of

    return copy_of(twice_trained_home, tmp_path / "home")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server for the whole run, with a database for each test; a test that stops it starts it again."""
    from tests.support.postgresql import running_server

    with running_server() as server:
        yield server
