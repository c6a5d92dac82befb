"""Recording from several threads through real connections and a real recorder into a real database."""

import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select, text

from loan_api.adapters.ipc.connection_queue import ConnectionQueue
from loan_api.adapters.recording.connection import RecorderConnection
from loan_api.adapters.recording.database_fallback import Recorder
from loan_api.adapters.recording.journal import Journal
from loan_api.adapters.recording.protocol import Receipt, Records
from loan_api.adapters.recording.server import RecorderServer
from loan_api.adapters.storage.database import REVISION, open_engine
from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.adapters.storage.migration import upgrade_database
from loan_api.adapters.storage.tables import decisions
from loan_api.home import sqlite_path
from loan_api.services.decision_log import BatchRecord, DecisionRecord, LogState, PolicyActivation
from tests.integration.test_decision_writer import decision
from tests.support.postgresql import Server
from tests.support.waiting import wait_until

CLIENTS = 4


@dataclass
class Noting:
    """A writer to the real database that notes written records in order."""

    writer: DecisionWriter
    noted: list[str]

    def write(
        self,
        singles: Sequence[DecisionRecord],
        whole_batches: Sequence[BatchRecord],
        activations: Sequence[PolicyActivation] = (),
    ) -> None:
        self.writer.write(singles, whole_batches, activations)
        self.noted += [record.decision_id for record in singles]


@dataclass
class Recording:
    """A running recorder and the acknowledgements that its clients received."""

    url: str
    recorder: Recorder
    queue: ConnectionQueue
    noted: list[str]
    acknowledged: list[str] = field(default_factory=list)

    def connect(self) -> RecorderConnection:
        return RecorderConnection(self.queue.sending)

    def record(self, connection: RecorderConnection, decision_id: str) -> Receipt:
        receipt = connection.record(Records([decision(decision_id)], []))
        self.acknowledged.append(decision_id)
        return receipt

    def progress(self) -> None:
        """Wait until 100 more records have been acknowledged."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) >= before + 100, "records to be acknowledged")

    def ids(self) -> list[str]:
        with open_engine(self.url).connect() as connection:
            return list(connection.scalars(select(decisions.c.id)))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Recording]]:
    """Start a recorder for a database; it ends once its clients have disconnected."""
    reading, writing = os.pipe()
    threads: list[threading.Thread] = []
    queues: list[ConnectionQueue] = []

    def started(url: str) -> Recording:
        queue, noted = ConnectionQueue.make(), list[str]()
        queues.append(queue)
        drainer = DecisionWriter(url, lambda: upgrade_database(url, may_create=False))
        journal = Journal(tmp_path / "0.journal", 10**7)
        recorder = Recorder(Noting(DecisionWriter(url), noted), Noting(drainer, noted), journal)
        recorder.start()
        threads.append(threading.Thread(target=RecorderServer(queue.receiving, reading, recorder.record).serve))
        threads[0].start()
        return Recording(url, recorder, queue, noted)

    yield started
    os.close(writing)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    os.close(reading)
    for queue in queues:
        queue.close()


@contextmanager
def clients(recording: Recording) -> Iterator[None]:
    """Run clients during the block; each records one decision after another over its own connection."""
    over = threading.Event()

    def run(client: int) -> None:
        with closing(recording.connect()) as connection:
            for number in itertools.takewhile(lambda _: not over.is_set(), itertools.count()):
                recording.record(connection, f"{client}-{number:06d}")

    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(run, client) for client in range(CLIENTS)]
        try:
            yield
        finally:
            over.set()
        for each in running:
            each.result()


@pytest.fixture
def outage(database_url: str, request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[None]]:
    """Make the database unavailable for the duration of the block."""
    file = sqlite_path(database_url)

    @contextmanager
    def locked() -> Iterator[None]:
        with closing(sqlite3.connect(str(file), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield

    @contextmanager
    def stopped() -> Iterator[None]:
        server: Server = request.getfixturevalue("postgresql")
        server.stop()
        try:
            yield
        finally:
            server.start()

    return stopped if file is None else locked


def test_what_is_acknowledged_is_there_once_and_in_order(
    database_url: str, outage: Callable[[], AbstractContextManager[None]], start: Callable[[str], Recording]
) -> None:
    upgrade_database(database_url)
    recording = start(database_url)
    with clients(recording):
        recording.progress()
        with outage():
            wait_until(lambda: recording.recorder.state.recorded_in == "journal", "the journal to take over")
            recording.progress()
        wait_until(lambda: recording.recorder.state == LogState("database"), "the journal to be drained")
        recording.progress()
    wait_until(lambda: recording.recorder.is_drained, "the journal to be drained")
    assert sorted(recording.ids()) == sorted(recording.acknowledged)
    for client in range(CLIENTS):
        of_client = [each for each in dict.fromkeys(recording.noted) if each.startswith(f"{client}-")]
        assert of_client == sorted(of_client)


def test_a_database_that_is_made_later_gets_everything(tmp_path: Path, start: Callable[[str], Recording]) -> None:
    """Start with a database folder that cannot be created yet."""
    place = tmp_path / "place"
    place.touch()
    recording = start(f"sqlite:///{place}/decisions.db")
    with closing(recording.connect()) as connection:
        for number in range(5):
            assert recording.record(connection, f"d-{number}").state.recorded_in == "journal"
    place.unlink()
    upgrade_database(recording.url)
    wait_until(lambda: recording.recorder.is_drained, "the journal to be drained")
    assert recording.noted == recording.acknowledged == recording.ids()


def test_a_newer_database_is_left_alone_until_it_is_taken_down(
    database_url: str, start: Callable[[str], Recording]
) -> None:
    upgrade_database(database_url)
    change = text("UPDATE alembic_version SET version_num = :revision")
    with open_engine(database_url).begin() as connection:
        connection.execute(change, {"revision": "9999"})
    recording = start(database_url)
    with closing(recording.connect()) as client:
        recording.record(client, "d-1")
        wait_until(
            lambda: "newer one has migrated it" in str(recording.recorder.state.problem), "the state to report it"
        )
        assert recording.record(client, "d-2").state.recorded_in == "journal"
    assert recording.ids() == []
    with open_engine(database_url).begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
        connection.execute(change, {"revision": REVISION})
    wait_until(lambda: recording.recorder.is_drained, "the journal to be drained")
    assert recording.ids() == ["d-1", "d-2"]
