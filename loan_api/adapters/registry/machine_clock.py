"""The identity of the current boot, for which all processes share one monotonic clock that nobody can set."""

from functools import cache
from pathlib import Path


@cache
def this_boot() -> str:
    """Return the boot's id, or an empty text if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
