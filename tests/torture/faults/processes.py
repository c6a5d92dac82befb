"""Processes that are killed, stopped or reloaded."""

import os
import signal
from collections.abc import Callable, Iterator

from tests.support.processes import kill, processes_of
from tests.support.service import Service
from tests.support.waiting import wait_until
from tests.torture.fault import BROKEN, Scene, fault

_TIMES = 3


def _killed_again_and_again(scene: Scene, victims: Callable[[], list[int]]) -> None:
    for _ in range(_TIMES):
        wait_until(lambda: bool(victims()), "a process to kill")
        kill(victims()[0])
        scene.progress()


@fault("kill -9 of a web worker", "it is replaced; only its own connections break", allowed=BROKEN)
def a_web_worker(scene: Scene) -> Iterator[None]:
    _killed_again_and_again(scene, lambda: scene.service.workers)
    yield


@fault("kill -9 of a batch process", "another process takes its batch; clients are unaffected")
def a_batch_process(scene: Scene) -> Iterator[None]:
    _killed_again_and_again(scene, lambda: processes_of(scene.service, "loan_api.entrypoints.processes.batch_process"))
    yield


@fault("kill -9 of the recorder", "unconfirmed decisions go to its successor; clients are unaffected")
def the_recorder(scene: Scene) -> Iterator[None]:
    _killed_again_and_again(scene, lambda: processes_of(scene.service, "loan_api.entrypoints.processes.recorder"))
    yield


@fault("kill -9 of the registry follower", "it is replaced; clients are unaffected")
def the_registry_follower(scene: Scene) -> Iterator[None]:
    _killed_again_and_again(
        scene, lambda: processes_of(scene.service, "loan_api.entrypoints.processes.registry_follower")
    )
    yield


# After a start, requests are refused until a model is loaded.
@fault(
    "kill -9 of the master",
    "every process ends; the next start has every acknowledged decision",
    allowed=BROKEN,
    may_refuse=True,
)
def the_master(scene: Scene) -> Iterator[None]:
    kill(scene.service.process.pid)
    _started_again(scene)
    yield


@fault(
    "kill -9 of all processes",
    "the next start has every acknowledged decision",
    allowed=BROKEN,
    may_refuse=True,
)
def all_processes(scene: Scene) -> Iterator[None]:
    names = (
        "loan_api.entrypoints.processes.recorder",
        "loan_api.entrypoints.processes.batch_process",
        "loan_api.entrypoints.processes.registry_follower",
    )
    children = [pid for name in names for pid in processes_of(scene.service, name)]
    for pid in (scene.service.process.pid, *scene.service.workers, *children):
        kill(pid)
    _started_again(scene)
    yield


@fault(
    "SIGTERM, then a start",
    "requests that were sent are answered; connections are refused until the next start",
    allowed=frozenset({"ConnectionRefusedError"}),
    may_refuse=True,
)
def a_stop(scene: Scene) -> Iterator[None]:
    scene.service.process.send_signal(signal.SIGTERM)
    _started_again(scene)
    yield


@fault("SIGHUP", "new workers take over; clients are unaffected")
def a_reload(scene: Scene) -> Iterator[None]:
    for _ in range(_TIMES):
        reload(scene.service)
    yield


def reload(service: Service) -> None:
    """Reload the service and wait until new workers have taken over."""
    before = set(service.workers)
    os.kill(service.process.pid, signal.SIGHUP)
    wait_until(lambda: before.isdisjoint(service.workers) and service.is_all_there(), "other workers")


def _started_again(scene: Scene) -> None:
    scene.service.process.wait(timeout=40)
    # A start fails while the port is still in use.
    wait_until(lambda: not processes_of(scene.service, "gunicorn"), "every worker to end")
    scene.service = scene.restart()
