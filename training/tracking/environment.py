"""The code and the environment that a model was trained with."""

import hashlib
import io
import os
import platform
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from loan_api.settings import PROJECT_ROOT

# Training itself, and the parts of the service that it shares.
_CODE = (
    "features.toml",
    "training",
    "loan_api/credit",
    "loan_api/scoring",
    "loan_api/settings.py",
    "loan_api/__init__.py",
)
_KINDS = frozenset({".py", ".html", ".md"})
# A fixed time, so that the same code gives the same archive.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def describe_environment() -> dict[str, Any]:
    """Return interpreter, machine, and the version of every installed distribution."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "libraries": dict(sorted({d.name.lower(): d.version for d in distributions()}.items())),
    }


def git_commit(configured: str | None) -> str:
    """Return the commit of the checkout, with `-dirty` if files have changed.

    Outside a checkout, return the `configured` commit, which is set when images are built, or `unknown`.
    """
    git = shutil.which("git")
    if git is not None:
        described = subprocess.run(
            [git, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if described.stdout.strip():
            return described.stdout.strip()
    return configured or "unknown"


def code_archive() -> tuple[bytes, str]:
    """Return the code as a zip file, and the SHA-256 (hex) of its names and contents."""
    archive, digest = io.BytesIO(), hashlib.sha256()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        for path in _sources():
            name, content = path.relative_to(PROJECT_ROOT).as_posix(), path.read_bytes()
            files.writestr(zipfile.ZipInfo(name, date_time=_ZIP_TIME), content, zipfile.ZIP_DEFLATED)
            digest.update(f"{hashlib.sha256(content).hexdigest()} {name}\n".encode())
    return archive.getvalue(), digest.hexdigest()


def _sources() -> Iterator[Path]:
    for part in _CODE:
        path = PROJECT_ROOT / part
        if path.is_file():
            yield path
        else:
            yield from sorted(file for file in path.rglob("*") if file.suffix in _KINDS)
