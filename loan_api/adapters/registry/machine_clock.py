"""Which boot of the machine this is. Until the next, all processes share the monotonic clock, which nobody sets."""

from functools import cache
from pathlib import Path


@cache
def this_boot() -> str:
    """Its name; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
