"""Inject every fault for real under load: its guarantee holds, and no acknowledged decision is lost."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.support.decisions import assert_all_are_recorded, load
from tests.support.figures import record_figures
from tests.support.homes import TrainedHome
from tests.support.service import Service, free_port, started_service
from tests.support.waiting import wait_until
from tests.torture.fault import Fault, Scene, Stage
from tests.torture.faults import FAULTS
from tests.torture.observations import observed

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]


@contextmanager
def scene_on(stage: Stage, logs: Path) -> Iterator[Scene]:
    """Run a service on the stage under load for the duration of the block."""
    port = free_port()
    with ExitStack() as running:

        def start() -> Service:
            home = stage.home.settings.loan_home
            return running.enter_context(started_service(home, port=port, logs=logs, **stage.environ))

        service = start()
        wait_until(service.is_all_there, "every worker to be ready")
        with load(port) as acknowledged:
            yield Scene(stage, service, acknowledged, start)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(fault: Fault, two_registered: TrainedHome, tmp_path: Path) -> None:
    with fault.stage(two_registered, tmp_path) as stage:
        with scene_on(stage, tmp_path) as scene:
            scene.progress()
            with fault.strike(scene):
                scene.wait_for_attempts()
            ended = monotonic()
            wait_until(scene.is_well, "recovery")
            well = monotonic()
            scene.progress()
            assert scene.service.metrics(), "no metrics after recovery"
        found = assert_all_are_recorded(scene.acknowledged, stage.url)
        fault.afterwards(scene)
    seen = observed(scene.acknowledged, found, fault.allowed, ended, well)
    record_figures(fault.name, {"guarantee": fault.guarantee, **seen.figures()})
    assert seen.found == seen.acknowledged
    assert seen.failed == {}
    assert fault.may_refuse or seen.refused == 0
    assert seen.recovery_seconds < fault.good_within
