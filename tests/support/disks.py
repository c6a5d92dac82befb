"""Small file systems, and how to fill them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(mounted: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own; skips the test where it may not be mounted."""
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(mounted)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system is mounted for this test; run it as root")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(ballast: Path) -> None:
    """Takes all the space that is left."""
    with suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(b"x" * 65_536)
            file.flush()
