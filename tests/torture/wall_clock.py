"""A wall clock that can be set, for some processes only: that of the machine stays as it is."""

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True)
class WallClock:
    """The clock of all processes that run with `environ`."""

    library: Path
    offset: Path

    @classmethod
    def make(cls, folder: Path) -> "WallClock":
        """One that goes right; skips the test where it cannot be compiled."""
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("a clock is compiled for this test; apt-get install gcc libc6-dev")
        clock = cls(folder / "wall_clock.so", folder / "wall_clock.offset")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", clock.library, _SOURCE, "-ldl"], check=True)
        clock.set_off(timedelta())
        return clock

    @property
    def environ(self) -> dict[str, str]:
        """For the processes that go by it."""
        return {"LD_PRELOAD": str(self.library), "WALL_CLOCK_OFFSET": str(self.offset)}

    def set_off(self, by: timedelta) -> None:
        """From now on it is off by so much, for processes that run already, too."""
        # Written over, not anew: it is mapped into their memory.
        with self.offset.open("r+b" if self.offset.exists() else "wb") as file:
            file.write((by // timedelta(seconds=1)).to_bytes(8, "little", signed=True))

    def now(self) -> datetime:
        """What it says."""
        by = int.from_bytes(self.offset.read_bytes(), "little", signed=True)
        return datetime.now(UTC) + timedelta(seconds=by)
