"""Faults of the decision log's database."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from tests.support.disks import fill, small_disk
from tests.support.homes import TrainedHome, copy_of
from tests.support.postgresql import running_server
from tests.support.processes import locked as sqlite_locked
from tests.torture.fault import Scene, Stage, fault

_JOURNAL = {"DECISION_JOURNAL_BYTES": str(2 * 2**20)}


@contextmanager
def on_postgresql(original: TrainedHome, folder: Path) -> Iterator[Stage]:
    """Yield a setting with decisions in PostgreSQL."""
    with running_server() as server:
        yield Stage(copy_of(original, folder / "home"), server.new_database(), server=server)


@contextmanager
def on_small_postgresql(original: TrainedHome, folder: Path) -> Iterator[Stage]:
    """Yield a setting with decisions in PostgreSQL, in a tablespace on a small file system."""
    with running_server() as server, small_disk(server.folder / "disk", megabytes=32) as disk:
        place = disk / "space"
        place.mkdir()
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(place, owner.pw_uid, owner.pw_gid)
        server.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        url = server.new_database()
        server.execute(f"ALTER DATABASE {make_url(url).database} SET TABLESPACE small")
        yield Stage(copy_of(original, folder / "home"), url, _JOURNAL, disk=disk, server=server)


@contextmanager
def on_small_sqlite(original: TrainedHome, folder: Path) -> Iterator[Stage]:
    """Yield a setting with decisions in SQLite on a separate small file system."""
    with small_disk(folder / "disk", megabytes=32) as disk:
        yield Stage(copy_of(original, folder / "home"), f"sqlite:///{disk}/decisions.db", _JOURNAL, disk=disk)


@fault("decision database locked (SQLite)", "the journal takes over and is drained once the lock is released")
def locked(scene: Scene) -> Iterator[None]:
    with sqlite_locked(scene.home / "decisions.db"):
        scene.wait_for_health("decision_log")
        scene.progress()
        yield


@fault("PostgreSQL restarted", "the journal takes over meanwhile; clients are unaffected", stage=on_postgresql)
def restarted(scene: Scene) -> Iterator[None]:
    assert scene.stage.server is not None
    for _ in range(2):
        scene.stage.server.stop()
        scene.stage.server.start()
        scene.progress()
    yield


@fault("PostgreSQL stopped for a while", "the journal takes over and is drained later", stage=on_postgresql)
def stopped(scene: Scene) -> Iterator[None]:
    assert scene.stage.server is not None
    scene.stage.server.stop()
    scene.wait_for_health("decision_log")
    scene.progress()
    yield
    scene.stage.server.start()


@fault("PostgreSQL hangs", "the journal takes over after some seconds and is drained later", stage=on_postgresql)
def frozen(scene: Scene) -> Iterator[None]:
    assert scene.stage.server is not None
    with scene.stage.server.frozen():
        scene.wait_for_health("decision_log")
        scene.progress()
        yield


def _filled(scene: Scene) -> Iterator[None]:
    """Fill the disk: the journal takes over, and once it is full, requests are refused until there is space."""
    assert scene.stage.disk is not None
    ballast = scene.stage.disk / "ballast"
    fill(ballast)
    scene.wait_for_health("decision_log")
    scene.wait_for_refusals()
    yield
    ballast.unlink()


_FULL = "the journal takes over; once it is full too, decisions are refused, never answered unrecorded"
full_postgresql = fault("PostgreSQL full", _FULL, stage=on_small_postgresql, may_refuse=True)(_filled)
full_sqlite = fault("SQLite full", _FULL, stage=on_small_sqlite, may_refuse=True)(_filled)
