"""Faults of the machine's resources: disk space, file descriptors and deleted files."""

import resource
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loan_api.home import Home
from tests.support.decisions import progress
from tests.support.disks import fill, small_disk
from tests.support.homes import TrainedHome, copy_of
from tests.torture.fault import Scene, Stage, fault
from tests.torture.faults.processes import reload

_STRANGERS = 100


@contextmanager
def on_small_home(original: TrainedHome, folder: Path) -> Iterator[Stage]:
    """Yield a setting with LOAN_HOME on a small file system."""
    with small_disk(folder / "disk", megabytes=128) as disk:
        home = copy_of(original, disk / "home")
        journal = {"DECISION_JOURNAL_BYTES": str(2 * 2**20)}
        yield Stage(home, f"sqlite:///{home.settings.loan_home}/decisions.db", journal, disk=disk)


@fault(
    "disk full (all of LOAN_HOME)",
    "decisions go into the preallocated journal; once it is full, they are refused; every process survives",
    stage=on_small_home,
    may_refuse=True,
)
def full_disk(scene: Scene) -> Iterator[None]:
    assert scene.stage.disk is not None
    workers = scene.service.workers
    ballast = scene.stage.disk / "ballast"
    fill(ballast)
    scene.wait_for_refusals()
    yield
    assert scene.service.workers == workers
    ballast.unlink()


@fault(
    "file descriptors used up",
    "open connections are answered or asked to retry; new ones wait; every process survives",
    may_refuse=True,
)
def no_descriptors(scene: Scene) -> Iterator[None]:
    workers = scene.service.workers
    before = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in workers}
    with ExitStack() as strangers:
        for pid in workers:
            taken = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (taken + 8, before[pid][1]))
        for _ in range(_STRANGERS):
            strangers.enter_context(socket.create_connection(("127.0.0.1", scene.service.port)))
        # Passing a batch to its process takes a descriptor, so all batches may be refused.
        progress(scene.acknowledged, decisions=50, batches=0)
        yield
    assert scene.service.workers == workers
    for pid in workers:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before[pid])


@fault("metrics directory deleted", "decisions continue; metrics are complete again after a reload")
def no_metrics(scene: Scene) -> Iterator[None]:
    shutil.rmtree(Home(scene.home).metrics(scene.service.port))
    assert scene.service.metrics(), "the remaining metrics are served"
    yield
    reload(scene.service)
