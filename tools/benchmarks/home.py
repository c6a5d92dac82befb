"""LOAN_HOME of a benchmark: registered versions of one candidate, and the commands that change Production."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loan_api import home as layout
from loan_api.settings import PROJECT_ROOT, declared_settings, locate_dataset, read_settings
from tools.benchmarks.own_process import done

MODEL = "loan_approval_model"
_SEEDS = (42, 7, 8, 9)


class HomeError(Exception):
    """The home cannot be prepared for the measurements."""


@dataclass(frozen=True)
class Home:
    """A LOAN_HOME and the checkout whose code uses it. `poll_seconds` of None keeps the service's default."""

    folder: Path
    poll_seconds: int | None = None
    checkout: Path = PROJECT_ROOT

    @property
    def python(self) -> str:
        """Return the interpreter of the other checkout if it has one, otherwise this one."""
        other = self.checkout / ".venv" / "bin" / "python"
        return str(other) if self.checkout != PROJECT_ROOT and other.exists() else sys.executable

    def environ(self, **more: str) -> dict[str, str]:
        """Return this process's environment with the benchmark's settings instead of the service's.

        Every checkout uses the same dataset, the one that training would use by default.
        """
        ours = {variable for variable, _, _ in declared_settings()}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        poll = {} if self.poll_seconds is None else {"MODEL_POLL_SECONDS": str(self.poll_seconds)}
        return (
            kept | {"LOAN_HOME": str(self.folder), "DATASET_PATH": str(locate_dataset(read_settings()))} | poll | more
        )

    @property
    def model_cache(self) -> Path:
        """Return the service's cache of downloaded models."""
        return layout.Home(self.folder).models

    def prepare(self, candidate: str, versions: int = 2) -> None:
        """Train until this many versions of `candidate` have passed the gate, then promote the first one.

        Raises HomeError if too few versions pass.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for seed in _SEEDS:
            if len(self.events()) >= versions:
                break
            self._training("run", "--candidates", candidate, "--seed", str(seed), may_be_refused=True)
        events = self.events()
        if len(events) < versions:
            raise HomeError(f"too few of the {len(_SEEDS)} {candidate} models passed the promotion gate")
        if events[-1][1] != events[0][1]:
            self.rollback()

    def promote(self, version: str) -> None:
        """Run `python -m training promote VERSION`."""
        self._training("promote", version)

    def rollback(self) -> None:
        """Run `python -m training rollback`."""
        self._training("rollback")

    def events(self) -> list[tuple[float, str]]:
        """Return every change of Production as its start (seconds since the epoch) and new semantic version."""
        return done(partial(_read_events, self.environ()))

    def _training(self, *arguments: str, may_be_refused: bool = False) -> None:
        command = [self.python, "-m", "training", *arguments]
        finished = subprocess.run(
            command, cwd=self.checkout, env=self.environ(), capture_output=True, text=True, check=False
        )
        refused = 3
        if finished.returncode not in (0, refused if may_be_refused else 0):
            raise HomeError(f"`python -m training {' '.join(arguments)}` failed:\n{finished.stdout}{finished.stderr}")


def _read_events(environ: Mapping[str, str]) -> list[tuple[float, str]]:
    from training.registry.history import read_events
    from training.tracking.store import connect

    settings = read_settings(environ)
    return [
        (event.at.timestamp(), event.semantic_version)
        for event in read_events(connect(settings), settings.model_name)
        if event.done
    ]
