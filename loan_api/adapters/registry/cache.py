"""Models on the local disk: what the registry wants, what has served well, and the files of both.

One process, the follower, writes the wish and fetches; every worker reads. What lies here survives restarts, so that a
registry that is away stops nothing. Files appear by renaming and are never half written.
"""

import fcntl
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import msgspec

from loan_api.adapters.registry.machine_clock import this_boot
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.package import ModelVersion, artifact_digest
from loan_api.services.model_registry import Wish

_WISH = "wish.json"
_GOOD = "good.json"
_LOCK = "follower.lock"
_ARTIFACT = "artifact"
_ASIDE = ".aside-"
_LEFT_OVER_SECONDS = 600
# The served version, the one before it for a quick rollback, and one more.
_KEPT = 3


@dataclass(frozen=True)
class _WrittenWish:
    """A wish, and the boot of the machine whose clock it goes by."""

    boot: str
    wish: Wish


@dataclass(frozen=True)
class ModelCache:
    """The cache in `folder`."""

    folder: Path

    @classmethod
    def of(cls, models: Path, tracking_uri: str, name: str, stage: str) -> "ModelCache":
        """Return the cache below `models` for one registered model in one stage of one registry."""
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:64]
        registry = hashlib.sha256("\n".join((tracking_uri, name, stage)).encode()).hexdigest()[:12]
        return cls(models / f"{readable}-{stage}-{registry}")

    def read_wish(self) -> Wish | None:
        """What the follower saw last; None before its first look since the machine was booted."""
        written = self._read(_WISH, _WrittenWish)
        return written.wish if isinstance(written, _WrittenWish) and written.boot == this_boot() else None

    def write_wish(self, wish: Wish) -> None:
        """For the workers."""
        self._write(_WISH, _WrittenWish(this_boot(), wish))

    def read_good(self) -> ModelVersion | None:
        """The version that last proved itself in a worker."""
        version = self._read(_GOOD, ModelVersion)
        return version if isinstance(version, ModelVersion) else None

    def write_good(self, version: ModelVersion) -> None:
        """Remembers a version that has proved itself."""
        if self.read_good() != version:
            self._write(_GOOD, version)

    def holds(self, key: str) -> bool:
        """Whether the files of that version are here."""
        return self.path(key).is_dir()

    def files_of(self, key: str) -> tuple[int, int] | None:
        """Which files of that version are here: others after they were fetched anew, None where there are none."""
        try:
            status = self.path(key).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def artifact(self, version: ModelVersion) -> Path:
        """The files of a version. Raises ModelUnavailableError unless they are those that were registered."""
        artifact = self.path(version.key)
        if not artifact.is_dir():
            raise ModelUnavailableError("its files are not in the local cache")
        if artifact_digest(artifact) != version.artifact_digest:
            # Out of the way, so that it is fetched again.
            shutil.rmtree(artifact.parent, ignore_errors=True)
            raise ModelUnavailableError("its files in the local cache were damaged; they will be fetched again")
        return artifact

    def add(self, key: str, digest: str, fetch: Callable[[Path], Path]) -> Path:
        """Takes the files of a version in: `fetch` puts them into a folder and says where.

        Raises ModelUnavailableError where they are not those that were registered.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=_ASIDE, dir=self.folder) as aside:
            into = Path(aside, "fetched")
            into.mkdir()
            fetched = fetch(into)
            if artifact_digest(fetched) != digest:
                raise ModelUnavailableError("its files are not those that were registered")
            whole = Path(aside, "whole")
            whole.mkdir()
            fetched.rename(whole / _ARTIFACT)
            shutil.rmtree(self.folder / key, ignore_errors=True)
            whole.rename(self.folder / key)
        return self.path(key)

    def prune(self, in_use: str) -> None:
        """Keeps the version in use, the last good one, and the newest of the others."""
        good = self.read_good()
        needed = {in_use, good.key if good else in_use}
        others = [path.parent for path in self.folder.glob(f"*/{_ARTIFACT}") if path.parent.name not in needed]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[_KEPT - len(needed) :]:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def followed(self) -> Iterator[bool]:
        """Makes this process the follower while the block runs; False where another one is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                self._remove_leftovers()
                yield True

    def is_followed(self) -> bool:
        """Whether a process follows the registry now."""
        try:
            with (self.folder / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def path(self, key: str) -> Path:
        """Where the files of that version are, or would be."""
        return self.folder / key / _ARTIFACT

    def _read(self, name: str, kind: type[Any]) -> object:
        try:
            return msgspec.json.decode((self.folder / name).read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError):
            return None

    def _write(self, name: str, content: object) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=_ASIDE, dir=self.folder) as aside:
            file = Path(aside, name)
            file.write_bytes(msgspec.json.encode(content))
            file.replace(self.folder / name)

    def _remove_leftovers(self) -> None:
        """What a follower that was killed had begun."""
        for folder in self.folder.glob(f"{_ASIDE}*"):
            if time.time() - folder.stat().st_mtime > _LEFT_OVER_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def age(wish: Wish) -> float:
    """Seconds since the registry was looked at."""
    return monotonic() - wish.looked_at
