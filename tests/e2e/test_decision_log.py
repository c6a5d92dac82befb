"""No acknowledged decision is lost, whichever process is killed and whatever happens to the database."""

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import text

from loan_api.adapters.recording.journal import Journal
from loan_api.adapters.storage.database import open_engine
from tests.support.applications import application
from tests.support.decisions import assert_all_are_recorded, load, progress
from tests.support.disks import fill
from tests.support.disks import small_disk as small_disk_at
from tests.support.homes import TrainedHome, copy_of
from tests.support.patient_client import SATURATED
from tests.support.postgresql import Server
from tests.support.processes import checks_of, commands_of, kill, locked, processes_of
from tests.support.service import WORKERS, KeptService, Service, run_command, started_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

KILLS = 8
NOT_RECORDED = "503 urn:loan-api:problem:not-recorded"
# Load shedding, which a busy machine may cause at any time.
TOO_BUSY = f"503 {SATURATED}"


def test_kills_of_workers_batch_processes_and_recorders_lose_nothing(service: Service) -> None:
    chance = random.Random(20261124)
    victims: list[Callable[[], list[int]]] = [
        lambda: service.workers,
        lambda: processes_of(service, "loan_api.entrypoints.processes.recorder"),
        lambda: processes_of(service, "loan_api.entrypoints.processes.batch_process"),
    ]
    with load(service.port) as acknowledged:
        for turn in range(KILLS):
            progress(acknowledged, decisions=50)
            for pid in chance.sample(found, min(1, len(found))) if (found := victims[turn % 3]()) else []:
                kill(pid)
        progress(acknowledged, decisions=50)
    wait_until(lambda: checks_of(service)["decision_log"] == "ok", "the decision log to be healthy")
    assert_all_are_recorded(acknowledged, service.home / "decisions.db")
    assert {"429", "500"}.isdisjoint(refusal[:3] for refusal in acknowledged.refusals)


@pytest.mark.torture
def test_a_killed_master_and_all_that_goes_with_it_lose_nothing(kept_service: KeptService) -> None:
    service = kept_service.running()
    with load(service.port) as acknowledged:
        progress(acknowledged, decisions=200)
        kill(service.process.pid)
        service.process.wait()
    for module in ("loan_api.entrypoints.processes.recorder", "loan_api.entrypoints.processes.batch_process"):
        wait_until(lambda name=module: not processes_of(service, name), f"{module} to end by itself")  # type: ignore[misc]
    assert_all_are_recorded(acknowledged, service.home / "decisions.db")
    with load(kept_service.running().port) as later:
        progress(later, decisions=20)
    assert_all_are_recorded(later, service.home / "decisions.db")


def test_killing_everything_at_once_loses_nothing(kept_service: KeptService) -> None:
    service = kept_service.running()
    with load(service.port) as acknowledged:
        progress(acknowledged, decisions=200)
        everyone = [service.process.pid, *service.workers]
        everyone += [
            pid
            for name in ("recorder", "batch_process")
            for pid in processes_of(service, f"loan_api.entrypoints.processes.{name}")
        ]
        for pid in everyone:
            kill(pid)
        service.process.wait()
    assert kept_service.running().is_ready()
    assert_all_are_recorded(acknowledged, service.home / "decisions.db")


@pytest.mark.parametrize("seconds", [2, pytest.param(10, marks=pytest.mark.torture)])
def test_a_locked_database_stops_nobody(service: Service, seconds: int) -> None:
    """Lock the database: the journal takes over and is drained afterwards, and every decision is stored once."""
    with load(service.port) as acknowledged:
        progress(acknowledged, decisions=50)
        with locked(service.home / "decisions.db"):
            wait_until(lambda: checks_of(service)["decision_log"] != "ok", "the journal to take over")
            response = requests.get(service.url("/health"), timeout=30)
            assert (response.status_code, response.json()["status"]) == (200, "degraded")
            assert service.metrics()["loan_decision_log_degraded"] == 1
            with pytest.raises(AssertionError, match=f"waited {seconds} s"):
                wait_until(lambda: checks_of(service)["decision_log"] == "ok", "a lock to end early", seconds)
            progress(acknowledged, decisions=50)
        wait_until(lambda: checks_of(service)["decision_log"] == "ok", "the journal to be drained")
        progress(acknowledged, decisions=50)
    assert_all_are_recorded(acknowledged, service.home / "decisions.db")
    assert set(acknowledged.refusals) <= {TOO_BUSY}


@pytest.mark.torture
def test_a_journal_outlives_everyone(kept_service: KeptService) -> None:
    """Kill all processes: decisions that only the journal has are in the database after the next start."""
    service = kept_service.running()
    database = service.home / "decisions.db"
    with load(service.port) as acknowledged, locked(database):
        wait_until(lambda: checks_of(service)["decision_log"] != "ok", "the journal to take over")
        progress(acknowledged, decisions=100)
        for pid in [
            service.process.pid,
            *service.workers,
            *processes_of(service, "loan_api.entrypoints.processes.recorder"),
        ]:
            kill(pid)
        service.process.wait()
    again = kept_service.running()
    wait_until(lambda: checks_of(again)["decision_log"] == "ok", "the journal to be drained")
    assert_all_are_recorded(acknowledged, database)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Provide a separate file system of a few megabytes."""
    with small_disk_at(tmp_path / "disk", 24) as mounted:
        yield mounted


@pytest.mark.torture
def test_a_full_disk_refuses_rather_than_forgets(own_service_home: Path, small_disk: Path) -> None:
    url, ballast = f"sqlite:///{small_disk}/decisions.db", small_disk / "ballast"
    with started_service(own_service_home, DATABASE_URL=url, DECISION_JOURNAL_BYTES=str(2 * 2**20)) as service:
        with load(service.port) as acknowledged:
            progress(acknowledged, decisions=50)
            fill(ballast)
            wait_until(lambda: acknowledged.refusals[NOT_RECORDED] > 0, "the journal to be full")
            wait_until(
                lambda: requests.get(service.url("/health"), timeout=30).status_code == 503, "/health to report it"
            )
            ballast.unlink()
            wait_until(lambda: checks_of(service)["decision_log"] == "ok", "the journal to be drained")
            progress(acknowledged, decisions=50)
        assert_all_are_recorded(acknowledged, small_disk / "decisions.db")
        assert set(acknowledged.refusals) <= {NOT_RECORDED, TOO_BUSY}


@pytest.mark.torture
def test_a_full_disk_of_everything_kills_nobody(trained_home: TrainedHome, small_disk: Path, tmp_path: Path) -> None:
    """Fill the disk: even workers that start on it, as replacements of killed ones, survive."""
    subprocess.run(["mount", "-o", "remount,size=96m", str(small_disk)], check=True)
    home = copy_of(trained_home, small_disk / "home").settings.loan_home
    ballast = small_disk / "ballast"
    with started_service(home, logs=tmp_path, DECISION_JOURNAL_BYTES=str(2 * 2**20)) as service:
        with load(service.port) as acknowledged:
            progress(acknowledged, decisions=50)
            workers = service.workers
            fill(ballast)
            wait_until(lambda: acknowledged.refusals[NOT_RECORDED] > 0, "the journal to be full")
            assert service.workers == workers
            for pid in workers:
                kill(pid)
            wait_until(lambda: len(set(service.workers) - set(workers)) == WORKERS, "new workers")
            before = acknowledged.refusals[NOT_RECORDED]
            wait_until(lambda: acknowledged.refusals[NOT_RECORDED] > before + 20, "answers")
            successors = service.workers
            assert service.metrics()["loan_workers"] == WORKERS
            assert service.workers == successors
            ballast.unlink()
            wait_until(lambda: checks_of(service)["decision_log"] == "ok", "the journal to be drained")
            progress(acknowledged, decisions=50)
        assert_all_are_recorded(acknowledged, home / "decisions.db")


def test_it_can_be_switched_off_on_purpose(own_service_home: Path) -> None:
    left = Journal(own_service_home / "journal" / "0.journal", 2**20)
    left.append([b"a decision"])
    left.close()
    with started_service(own_service_home, DECISION_LOG="off", WEB_CONCURRENCY="1") as service:
        assert requests.post(service.url("/predict"), json=application(), timeout=30).status_code == 200
        wait_until(lambda: requests.get(service.url("/health"), timeout=30).json()["status"] == "healthy", "health")
        assert checks_of(service)["decision_log"] == "off"
        assert processes_of(service, "loan_api.entrypoints.processes.recorder") == []
        assert any(line["message"] == "decisions are not recorded" for line in service.log_lines)
        [files, *_] = [
            line["files"] for line in service.log_lines if line["message"] == "decisions wait in the journal"
        ]
        assert files == [str(left.path)]
    assert left.path.exists()


@pytest.fixture
def own_service_home(trained_home: TrainedHome, tmp_path: Path) -> Path:
    """Provide a LOAN_HOME that the test may change, with a model in Production."""
    return copy_of(trained_home, tmp_path / "home").settings.loan_home


@pytest.mark.torture
def test_it_starts_with_the_database_away_and_migrates_it_later(
    own_service_home: Path, postgresql_away: tuple[Server, str]
) -> None:
    server, url = postgresql_away
    with started_service(own_service_home, DATABASE_URL=url, WEB_CONCURRENCY="1") as service:
        answers = [requests.post(service.url("/predict"), json=application(), timeout=30).json() for _ in range(5)]
        assert checks_of(service)["decision_log"].startswith("decisions are recorded in the local journal")
        assert not any(":secret@" in command for command in commands_of(service))
        server.start()
        wait_until(lambda: checks_of(service)["decision_log"] == "ok", "the journal to be drained")
        log = service.log.read_text(encoding="utf-8")
    assert "Warning: nothing answers at the database's address" in log
    assert "secret" not in log
    assert ids_in(url) == [answer["decision_id"] for answer in answers]


@pytest.mark.torture
def test_it_starts_where_its_file_cannot_be_made_yet(own_service_home: Path) -> None:
    place = own_service_home / "place"
    place.touch()
    url = f"sqlite:///{place}/decisions.db"
    with started_service(own_service_home, DATABASE_URL=url, WEB_CONCURRENCY="1") as service:
        answers = [requests.post(service.url("/predict"), json=application(), timeout=30).json() for _ in range(5)]
        assert checks_of(service)["decision_log"].startswith("decisions are recorded in the local journal")
        place.unlink()
        run_command(own_service_home, "-m", "loan_api", "init", DATABASE_URL=url)
        wait_until(lambda: checks_of(service)["decision_log"] == "ok", "the journal to be drained")
    assert ids_in(url) == [answer["decision_id"] for answer in answers]


def ids_in(url: str) -> list[str]:
    with open_engine(url).connect() as connection:
        return list(connection.scalars(text("SELECT id FROM decisions ORDER BY id")))


@pytest.fixture
def postgresql_away(postgresql: Server) -> Iterator[tuple[Server, str]]:
    """Provide a stopped server and the URL of an empty database on it."""
    url = postgresql.new_database()
    postgresql.stop()
    yield postgresql, url
    if postgresql.process is None:
        postgresql.start()
