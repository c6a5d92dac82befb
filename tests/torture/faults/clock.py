"""Faults of the wall clock."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.database import connected
from loan_api.adapters.storage.decision_stream import stream
from loan_api.formats.timestamps import parse_time
from loan_api.services.audit import DecisionName, Search
from tests.support.decisions import BATCH_ROWS, Acknowledged
from tests.support.forms import SHIPPED
from tests.support.homes import TrainedHome, run_training
from tests.support.processes import processes_of
from tests.support.waiting import wait_until
from tests.torture.fault import Scene, Stage, fault, usual
from tests.torture.wall_clock import WallClock

_A_DAY = timedelta(days=1)
_PAGE = 500


@contextmanager
def with_a_clock(original: TrainedHome, folder: Path) -> Iterator[Stage]:
    """Yield the default setting with an adjustable wall clock."""
    clock = WallClock.make(folder)
    with usual(original, folder) as stage:
        yield replace(stage, settings=clock.environ, clock=clock)


def _each_is_listed_once(scene: Scene) -> None:
    """Check that each day's pages and exports contain all its acknowledged decisions exactly once."""
    noon = datetime.now(UTC)
    days = ((None, noon - _A_DAY / 2), (noon - _A_DAY / 2, noon + _A_DAY / 2), (noon + _A_DAY / 2, None))
    for since, until in ((None, None), *days):
        decided = _decided(scene.acknowledged, since, until)
        assert decided, "something was decided then"
        for found in (_listed(scene.stage.url, since, until), _exported(scene.stage.url, since, until)):
            times = Counter(found)
            assert [each for each in decided if each not in times] == []
            assert [each for each in times if times[each] > 1] == []


def _decided(acknowledged: Acknowledged, since: datetime | None, until: datetime | None) -> list[str]:
    """Return the ids of acknowledged decisions in that period, by the timestamp in the response."""
    times = {each: answer["timestamp"] for each, (_, answer) in acknowledged.decisions.items()}
    for batch_id, batch in acknowledged.batches.items():
        text = batch.answer["timestamp"]
        times |= {str(DecisionName(batch_id, row)): text for row in range(BATCH_ROWS)}
    moments = {text: parse_time(text) for text in set(times.values())}
    wanted = {text for text, at in moments.items() if at and (not since or at >= since) and (not until or at < until)}
    return [each for each, text in times.items() if text in wanted]


def _listed(url: str, since: datetime | None, until: datetime | None) -> list[str]:
    archive = DatabaseArchive(SHIPPED, url)
    found: list[str] = []
    page = archive.page(Search(since, until), None, _PAGE)
    while True:
        found += [decision.decision_id for decision in page.decisions]
        if page.following is None:
            return found
        page = archive.page(Search(since, until), page.following, _PAGE)


def _exported(url: str, since: datetime | None, until: datetime | None) -> list[str]:
    damaged: list[str] = []
    with connected(url) as connection:
        found = [
            each for chunk in stream(SHIPPED, connection, since, until, None, damaged.append) for each in chunk.ids
        ]
    assert damaged == []
    return found


@fault(
    "clock set ahead by a day, then back by two",
    "clients and health are unaffected; promotions are followed; decisions are listed by the time in their answers",
    stage=with_a_clock,
    afterwards=_each_is_listed_once,
)
def jumps(scene: Scene) -> Iterator[None]:
    clock = scene.stage.clock
    assert clock is not None
    before = _processes(scene)
    for off, command in ((_A_DAY, ("promote", "1.0.1")), (-_A_DAY, ("rollback",))):
        clock.set_off(off)
        scene.progress()
        reported = parse_time(scene.health()["timestamp"])
        assert reported is not None
        assert abs(reported - clock.now()) < timedelta(minutes=1), "the service uses that clock"
        assert [scene.health()["registry"] for _ in range(8)] == ["ok"] * 8
        finished = run_training(scene.stage.home.environ | clock.environ, *command)
        assert finished.returncode == 0, finished.stderr
        wait_until(scene.is_well, "the promotion to be followed")
    yield
    # A worker starts its batch process on the first batch.
    assert before <= _processes(scene), "no process was replaced"
    times = [line["duration_ms"] for line in scene.service.log_lines if line["message"] == "request"]
    assert times
    assert all(isinstance(each, float) and each >= 0 for each in times)


def _processes(scene: Scene) -> set[int]:
    """Return all processes of the service."""
    names = (
        "gunicorn",
        "loan_api.entrypoints.processes.batch_process",
        "loan_api.entrypoints.processes.recorder",
        "loan_api.entrypoints.processes.registry_follower",
    )
    return {pid for name in names for pid in processes_of(scene.service, name)}
