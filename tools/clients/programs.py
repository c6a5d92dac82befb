"""Execution of the generators and compilers."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class ProgramFailedError(Exception):
    """A program failed. The message contains its output."""


def run(arguments: Sequence[str | Path], folder: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run a program and return its standard output. Raises ProgramFailedError.

    Programs of the virtual environment are found even if it is not activated.
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
        raise ProgramFailedError(
            f"{name} failed with exit status {finished.returncode}:\n{finished.stdout}{finished.stderr}"
        )
    return finished.stdout
