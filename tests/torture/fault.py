"""Declare faults: the guarantee under test, the injection and the repair."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import requests

from tests.support.decisions import Acknowledged, progress
from tests.support.homes import TrainedHome, copy_of
from tests.support.postgresql import Server
from tests.support.service import Service
from tests.support.waiting import wait_until
from tests.torture.wall_clock import WallClock
from training.registry.promotion import put_into_production
from training.registry.versions import find_version, production_version, semantic_version

# Client-side errors when a process is killed during a request.
BROKEN = frozenset(
    {
        "BadStatusLine",
        "BrokenPipeError",
        "ConnectionAbortedError",
        "ConnectionRefusedError",
        "ConnectionResetError",
        "IncompleteRead",
        "RemoteDisconnected",
    }
)


@dataclass(frozen=True)
class Stage:
    """The setting of a service: its LOAN_HOME, its decision log's URL and further settings."""

    home: TrainedHome
    url: str
    settings: dict[str, str] = field(default_factory=dict)
    # A small file system, if the fault needs one.
    disk: Path | None = None
    # The PostgreSQL server, if it holds the decisions.
    server: Server | None = None
    # The wall clock of the service, if the fault can set it.
    clock: WallClock | None = None

    @property
    def environ(self) -> dict[str, Any]:
        """Return the environment variables of the service."""
        return {"DATABASE_URL": self.url, **self.settings}


MakeStage = Callable[[TrainedHome, Path], AbstractContextManager[Stage]]


@contextmanager
def usual(original: TrainedHome, folder: Path) -> Iterator[Stage]:
    """Yield the default setting: SQLite, 1.0.0 in Production, 1.0.1 registered."""
    home = copy_of(original, folder / "home")
    yield Stage(home, f"sqlite:///{home.settings.loan_home}/decisions.db")


@dataclass
class Scene:
    """A service under load that a fault strikes."""

    stage: Stage
    service: Service
    acknowledged: Acknowledged
    restart: Callable[[], Service]

    @property
    def home(self) -> Path:
        """Return the service's LOAN_HOME."""
        return self.service.home

    def progress(self) -> None:
        """Wait until clients have received some more decisions."""
        progress(self.acknowledged, decisions=50)

    def wait_for_attempts(self) -> None:
        """Wait until some more requests have ended, successfully or not."""
        before = len(self.acknowledged.attempts)
        wait_until(lambda: len(self.acknowledged.attempts) > before + 50, "requests")

    def wait_for_refusals(self) -> None:
        """Wait until some more requests have been refused."""
        before = sum(attempt.is_refusal for attempt in self.acknowledged.attempts)
        wait_until(lambda: sum(attempt.is_refusal for attempt in self.acknowledged.attempts) > before + 20, "refusals")

    def health(self) -> dict[str, str]:
        """Return the checks of `/health`."""
        checks: dict[str, str] = requests.get(self.service.url("/health"), timeout=30).json()["checks"]
        return checks

    def promote(self, semantic: str) -> None:
        """Move a version into Production without the gate, as someone might by hand."""
        client = self.stage.home.client
        put_into_production(client, find_version(client, self.stage.home.settings.model_name, semantic))

    def wait_for_health(self, check: str, *, seconds: float = 90) -> None:
        """Wait until `/health` reports a problem with `check`."""
        wait_until(lambda: self.health()[check] != "ok", f"/health to report {check}", seconds)

    def is_well(self) -> bool:
        """Return whether the service is healthy and serves the version in Production."""
        staged = production_version(self.stage.home.client, self.stage.home.settings.model_name)
        wanted = None if staged is None else semantic_version(staged)
        try:
            return all(self._serves(wanted) for _ in range(4))
        except requests.RequestException:
            return False

    def _serves(self, wanted: str | None) -> bool:
        """Ask one worker; every call uses a new connection, so any worker may answer."""
        health = requests.get(self.service.url("/health"), timeout=30).json()
        model = requests.get(self.service.url("/model"), timeout=30).json()
        return (health["status"], health["checks"]["model_version"], model.get("version")) == (
            "healthy",
            wanted,
            wanted,
        )


Strike = Callable[[Scene], AbstractContextManager[None]]


def nothing_else(_: Scene) -> None:
    """Check nothing beyond the guarantees of every fault."""


@dataclass(frozen=True)
class Fault:
    """A fault that `strike` injects and repairs.

    `allowed` names the client-side errors that may occur; `may_refuse` permits refusals. Within `good_within` seconds
    after the repair everything must be back to normal. `afterwards` runs further checks after the load.
    """

    name: str
    guarantee: str
    strike: Strike
    stage: MakeStage
    allowed: frozenset[str]
    may_refuse: bool
    good_within: float
    afterwards: Callable[[Scene], None]


def fault(
    name: str,
    guarantee: str,
    *,
    stage: MakeStage = usual,
    allowed: frozenset[str] = frozenset(),
    may_refuse: bool = False,
    good_within: float = 30,
    afterwards: Callable[[Scene], None] = nothing_else,
) -> Callable[[Callable[[Scene], Iterator[None]]], Fault]:
    """Declare the decorated generator as a fault: it injects, yields while the fault lasts, and repairs."""

    def declare(strike: Callable[[Scene], Iterator[None]]) -> Fault:
        return Fault(name, guarantee, contextmanager(strike), stage, allowed, may_refuse, good_within, afterwards)

    return declare


def faults_of(module: ModuleType) -> list[Fault]:
    """Return the faults that a module declares, in order."""
    return [each for each in vars(module).values() if isinstance(each, Fault)]
