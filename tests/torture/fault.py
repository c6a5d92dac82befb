"""What a fault is: one declaration of what is promised, how it is injected, and how it is healed."""

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

# What clients see of a process that was killed while it had their request.
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
    """Where a service is started: its LOAN_HOME, its decision log's URL, and what else is set."""

    home: TrainedHome
    url: str
    settings: dict[str, str] = field(default_factory=dict)
    # A small file system, where there is one.
    disk: Path | None = None
    # PostgreSQL, where the decisions lie there.
    server: Server | None = None
    # The wall clock that the service goes by, where it can be set.
    clock: WallClock | None = None

    @property
    def environ(self) -> dict[str, Any]:
        """What the service is started with."""
        return {"DATABASE_URL": self.url, **self.settings}


MakeStage = Callable[[TrainedHome, Path], AbstractContextManager[Stage]]


@contextmanager
def usual(original: TrainedHome, folder: Path) -> Iterator[Stage]:
    """As a user starts it: SQLite, 1.0.0 in Production, 1.0.1 registered."""
    home = copy_of(original, folder / "home")
    yield Stage(home, f"sqlite:///{home.settings.loan_home}/decisions.db")


@dataclass
class Scene:
    """A service under load that a fault strikes."""

    stage: Stage
    service: Service
    told: Acknowledged
    restart: Callable[[], Service]

    @property
    def home(self) -> Path:
        """Its LOAN_HOME."""
        return self.service.home

    def progress(self) -> None:
        """Returns once clients have been given some more decisions."""
        progress(self.told, decisions=50)

    def wait_for_attempts(self) -> None:
        """Returns once clients have come to the end of some more requests, good or bad."""
        before = len(self.told.attempts)
        wait_until(lambda: len(self.told.attempts) > before + 50, "requests")

    def wait_for_refusals(self) -> None:
        """Returns once some clients were refused."""
        before = sum(attempt.is_refusal for attempt in self.told.attempts)
        wait_until(lambda: sum(attempt.is_refusal for attempt in self.told.attempts) > before + 20, "refusals")

    def health(self) -> dict[str, str]:
        """The checks of `/health`."""
        checks: dict[str, str] = requests.get(self.service.url("/health"), timeout=30).json()["checks"]
        return checks

    def promote(self, semantic: str) -> None:
        """Into Production past the gate, as somebody may do by hand."""
        client = self.stage.home.client
        put_into_production(client, find_version(client, self.stage.home.settings.model_name, semantic))

    def wait_for_health(self, check: str, *, seconds: float = 90) -> None:
        """Returns once `/health` says that something is wrong with `check`."""
        wait_until(lambda: self.health()[check] != "ok", f"/health to tell of {check}", seconds)

    def is_well(self) -> bool:
        """Whether it is healthy in every respect and serves the version that is in Production."""
        staged = production_version(self.stage.home.client, self.stage.home.settings.model_name)
        wanted = None if staged is None else semantic_version(staged)
        try:
            return all(self._serves(wanted) for _ in range(4))
        except requests.RequestException:
            return False

    def _serves(self, wanted: str | None) -> bool:
        """As whichever worker says that is asked; each question comes over a connection of its own."""
        health = requests.get(self.service.url("/health"), timeout=30).json()
        model = requests.get(self.service.url("/model"), timeout=30).json()
        return (health["status"], health["checks"]["model_version"], model.get("version")) == (
            "healthy",
            wanted,
            wanted,
        )


Strike = Callable[[Scene], AbstractContextManager[None]]


def nothing_else(_: Scene) -> None:
    """What must hold of every fault is all."""


@dataclass(frozen=True)
class Fault:
    """`strike` injects it, yields while it lasts, and heals it.

    `allowed`: what clients may see beside answers. `may_refuse`: whether they may be asked to come again later.
    `good_within`: seconds after the end by which everything is as before. `afterwards`: what else must hold once the
    load is over.
    """

    name: str
    promise: str
    strike: Strike
    stage: MakeStage
    allowed: frozenset[str]
    may_refuse: bool
    good_within: float
    afterwards: Callable[[Scene], None]


def fault(
    name: str,
    promise: str,
    *,
    stage: MakeStage = usual,
    allowed: frozenset[str] = frozenset(),
    may_refuse: bool = False,
    good_within: float = 30,
    afterwards: Callable[[Scene], None] = nothing_else,
) -> Callable[[Callable[[Scene], Iterator[None]]], Fault]:
    """Declares the generator below as a fault: it strikes, yields for the time that it lasts, and heals."""

    def declare(strike: Callable[[Scene], Iterator[None]]) -> Fault:
        return Fault(name, promise, contextmanager(strike), stage, allowed, may_refuse, good_within, afterwards)

    return declare


def faults_of(module: ModuleType) -> list[Fault]:
    """Those that a module declares, in its order."""
    return [each for each in vars(module).values() if isinstance(each, Fault)]
