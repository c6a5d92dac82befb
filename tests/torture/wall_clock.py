"""An adjustable wall clock for selected processes; the machine's clock is unaffected."""

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True)
class WallClock:
    """The wall clock of all processes started with `environ`."""

    library: Path
    offset: Path

    @classmethod
    def make(cls, folder: Path) -> "WallClock":
        """Create a correct clock. Skips the test if its library cannot be compiled."""
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("a clock is compiled for this test; apt-get install gcc libc6-dev")
        clock = cls(folder / "wall_clock.so", folder / "wall_clock.offset")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", clock.library, _SOURCE, "-ldl"], check=True)
        clock.set_off(timedelta())
        return clock

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment variables of processes that use this clock."""
        return {"LD_PRELOAD": str(self.library), "WALL_CLOCK_OFFSET": str(self.offset)}

    def set_off(self, by: timedelta) -> None:
        """Set the clock's offset, also for processes that already run."""
        # Overwrite the file in place, as processes have it mapped into memory.
        with self.offset.open("r+b" if self.offset.exists() else "wb") as file:
            file.write((by // timedelta(seconds=1)).to_bytes(8, "little", signed=True))

    def now(self) -> datetime:
        """Return the clock's time."""
        by = int.from_bytes(self.offset.read_bytes(), "little", signed=True)
        return datetime.now(UTC) + timedelta(seconds=by)
