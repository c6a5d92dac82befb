"""Runs the programs that generate, check and build."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class ProgramFailedError(Exception):
    """A program ended with an error; the text is what it said."""


def run(arguments: Sequence[str | Path], folder: Path, environ: Mapping[str, str] | None = None) -> str:
    """What the program printed. Raises ProgramFailedError with what it complained of.

    Programs of the virtual environment are found, whether it is activated or not.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    finished = subprocess.run(
        list(arguments),
        cwd=folder,
        env={**os.environ, "PATH": path, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        name = Path(arguments[0]).name
        raise ProgramFailedError(f"{name} ended with {finished.returncode}:\n{finished.stdout}{finished.stderr}")
    return finished.stdout
