"""The local cache of models: the desired version, the last good version, and the files of both.

One process, the follower, fetches and writes the desired version; every worker reads. The cache survives restarts, so
the service starts without the registry. Writes are atomic renames.
"""

import fcntl
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from loan_api.adapters.registry.machine_clock import this_boot
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.package import ModelVersion, artifact_digest
from loan_api.scoring.promotions import Event
from loan_api.services.model_registry import DesiredVersion

_DESIRED = "desired.json"
_GOOD = "good.json"
_HISTORY = "history.json"
_LOCK = "follower.lock"
_ARTIFACT = "artifact"
_STAGING = ".staging-"
_ABANDONED_SECONDS = 600
# The served version, the one before it for a quick rollback, and those whose decisions were last explained.
_KEPT = 5
_VERSION = "version.json"
_REQUESTS = "requests"
_REGISTRY_VERSION = re.compile("[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class _Published:
    """A desired version, and the boot of the machine whose clock measured its time."""

    boot: str
    desired: DesiredVersion


@dataclass(frozen=True)
class VersionRequest:
    """A request to the follower for the files of a version, and its answer.

    `problem` says why they are unavailable; `is_gone` means that the registry does not have the version.
    """

    is_answered: bool = False
    problem: str | None = None
    is_gone: bool = False


@dataclass(frozen=True)
class ModelCache:
    """The cache of one registered model in one stage, in `folder`."""

    folder: Path

    @classmethod
    def of(cls, models: Path, tracking_uri: str, name: str, stage: str) -> "ModelCache":
        """Return the cache below `models` for one registered model in one stage of one registry."""
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:64]
        registry = hashlib.sha256("\n".join((tracking_uri, name, stage)).encode()).hexdigest()[:12]
        return cls(models / f"{readable}-{stage}-{registry}")

    def read_desired(self) -> DesiredVersion | None:
        """Return the follower's latest poll, or None before its first poll since the machine booted."""
        published = self._read(_DESIRED, _Published)
        return published.desired if isinstance(published, _Published) and published.boot == this_boot() else None

    def write_desired(self, desired: DesiredVersion) -> None:
        """Publish the desired version to the workers."""
        self._write(_DESIRED, _Published(this_boot(), desired))

    def read_history(self) -> Sequence[Event]:
        """Return the changes of Production that the follower last saw, oldest first."""
        history = self._read(_HISTORY, list[Event])
        return history if isinstance(history, list) else ()

    def write_history(self, history: Sequence[Event]) -> None:
        """Publish the changes of Production to the workers."""
        self._write(_HISTORY, list(history))

    def read_good(self) -> ModelVersion | None:
        """Return the version that a worker last loaded successfully."""
        version = self._read(_GOOD, ModelVersion)
        return version if isinstance(version, ModelVersion) else None

    def write_good(self, version: ModelVersion) -> None:
        """Record a version that was loaded successfully."""
        if self.read_good() != version:
            self._write(_GOOD, version)

    def holds(self, key: str) -> bool:
        """Return whether the files of that version are cached."""
        return self.path(key).is_dir()

    def files_of(self, key: str) -> tuple[int, int] | None:
        """Return a fingerprint of that version's cached files: new after each fetch, None if no files are cached."""
        try:
            status = self.path(key).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def artifact(self, version: ModelVersion) -> Path:
        """Return the verified files of a version. Raises ModelUnavailableError if they are missing or damaged."""
        artifact = self.path(version.key)
        if not artifact.is_dir():
            raise ModelUnavailableError("its files are not in the local cache")
        if artifact_digest(artifact) != version.artifact_digest:
            # Without its files, the version is fetched again.
            shutil.rmtree(artifact.parent, ignore_errors=True)
            raise ModelUnavailableError("its files in the local cache were damaged; they will be fetched again")
        return artifact

    def add(self, key: str, digest: str, fetch: Callable[[Path], Path]) -> Path:
        """Add the files of a version. `fetch` downloads them into a folder and returns their path.

        Raises ModelUnavailableError if their digest differs from the registered one.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=_STAGING, dir=self.folder) as staging:
            into = Path(staging, "fetched")
            into.mkdir()
            fetched = fetch(into)
            if artifact_digest(fetched) != digest:
                raise ModelUnavailableError("its files differ from the registered ones")
            whole = Path(staging, "whole")
            whole.mkdir()
            fetched.rename(whole / _ARTIFACT)
            shutil.rmtree(self.folder / key, ignore_errors=True)
            whole.rename(self.folder / key)
        return self.path(key)

    def describe(self, version: ModelVersion) -> None:
        """Store the description of a version next to its files, where `find` looks for it."""
        self._write(f"{version.key}/{_VERSION}", version)

    def find(self, registry_version: str, semantic_version: str) -> ModelVersion | None:
        """Return the cached version with these numbers."""
        if not _REGISTRY_VERSION.fullmatch(registry_version):
            return None
        for file in self.folder.glob(f"{registry_version}-*/{_VERSION}"):
            version = self._read(f"{file.parent.name}/{_VERSION}", ModelVersion)
            if isinstance(version, ModelVersion) and version.semantic_version == semantic_version:
                return version
        return None

    def request(self, registry_version: str) -> None:
        """Ask the follower for the files of another version."""
        if _REGISTRY_VERSION.fullmatch(registry_version):
            self._write(f"{_REQUESTS}/{registry_version}", VersionRequest())

    def requests(self) -> list[str]:
        """Return the registry versions that were requested and not answered yet."""
        waiting = []
        for file in (self.folder / _REQUESTS).glob("*"):
            request = self._read(f"{_REQUESTS}/{file.name}", VersionRequest)
            if isinstance(request, VersionRequest) and not request.is_answered:
                waiting.append(file.name)
        return waiting

    def answer(self, registry_version: str, answer: VersionRequest) -> None:
        """Answer a request."""
        self._write(f"{_REQUESTS}/{registry_version}", answer)

    def answered(self, registry_version: str) -> VersionRequest | None:
        """Return the answer to a request, once there is one."""
        request = self._read(f"{_REQUESTS}/{registry_version}", VersionRequest)
        return request if isinstance(request, VersionRequest) and request.is_answered else None

    def prune(self, in_use: str) -> None:
        """Delete all but the version in use, the last good one, and the newest of the others."""
        good = self.read_good()
        needed = {in_use, good.key if good else in_use}
        others = [path.parent for path in self.folder.glob(f"*/{_ARTIFACT}") if path.parent.name not in needed]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[_KEPT - len(needed) :]:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def followed(self) -> Iterator[bool]:
        """Make this process the follower while the block runs. Yield False if another process is."""
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
        """Return whether a follower is running."""
        try:
            with (self.folder / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def path(self, key: str) -> Path:
        """Return the path of the files of that version, present or not."""
        return self.folder / key / _ARTIFACT

    def _read(self, name: str, kind: type[Any]) -> object:
        try:
            return msgspec.json.decode((self.folder / name).read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError):
            return None

    def _write(self, name: str, content: object) -> None:
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=_STAGING, dir=self.folder) as staging:
            file = Path(staging, target.name)
            file.write_bytes(msgspec.json.encode(content))
            file.replace(target)

    def _remove_leftovers(self) -> None:
        """Delete the unfinished downloads of a follower that was killed."""
        for folder in self.folder.glob(f"{_STAGING}*"):
            if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
