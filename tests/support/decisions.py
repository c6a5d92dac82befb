"""Load that remembers acknowledged decisions, and a comparison of them with the decision log."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from sqlalchemy import select

from loan_api.adapters.storage.database import open_engine
from loan_api.adapters.storage.tables import batches, decisions
from loan_api.formats.batch_content import unpack
from loan_api.scoring.columns import row_count, texts
from tests.support.forms import SHIPPED
from tests.support.waiting import wait_until
from tools.benchmarks.requests_made import Application, applications

CONNECTIONS = 16
# Large enough to be handed to a batch process.
BATCH_ROWS = 400
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Attempt:
    """A finished request: start and end in monotonic seconds, and its problem, if any.

    `is_refusal` marks a 429 or 503 with `Retry-After`.
    """

    began: float
    ended: float
    problem: str | None = None
    is_refusal: bool = False


@dataclass(frozen=True)
class AcknowledgedBatch:
    """A batch as the seed of its rows and the raw answer; decoded, both would take megabytes."""

    seed: int
    content: bytes

    @property
    def sent(self) -> list[Application]:
        """Return the rows that were sent."""
        return applications(SHIPPED, BATCH_ROWS, self.seed)

    @property
    def answer(self) -> dict[str, Any]:
        """Return the decoded answer."""
        answer: dict[str, Any] = json.loads(self.content)
        return answer


@dataclass
class Acknowledged:
    """Every acknowledged decision and batch, by id, with its input and its answer."""

    decisions: dict[str, tuple[Application, dict[str, Any]]] = field(default_factory=dict)
    batches: dict[str, AcknowledgedBatch] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    attempts: list[Attempt] = field(default_factory=list)

    def note(self, began: float, problem: str | None = None, *, is_refusal: bool = False) -> None:
        """Add an attempt that has just ended."""
        self.attempts.append(Attempt(began, monotonic(), problem, is_refusal))
        if problem is not None:
            self.refusals[problem] += 1


class _Client:
    """A client that repeats requests over one connection and notes every result."""

    def __init__(self, port: int, number: int, acknowledged: Acknowledged) -> None:
        self._port = port
        self._random = Random(number)
        self._acknowledged = acknowledged
        # Every eighth client sends batches.
        self._asks_for_batches = number % 8 == 0

    def run(self, is_over: threading.Event) -> None:
        connection = self._connect()
        while not is_over.is_set():
            began = monotonic()
            try:
                closing_soon = self._ask(connection, began)
            except (OSError, HTTPException, ValueError) as error:
                self._acknowledged.note(began, type(error).__name__)
                closing_soon = True
                is_over.wait(0.05)
            # Leave some processor time: the tests share the machine with the service.
            is_over.wait(0.01)
            if closing_soon:
                connection.close()
                connection = self._connect()
        connection.close()

    def _ask(self, connection: HTTPConnection, began: float) -> bool:
        seed = self._random.getrandbits(64)
        rows = applications(SHIPPED, BATCH_ROWS if self._asks_for_batches else 1, seed)
        path, body = ("/predict/batch", {"instances": rows}) if self._asks_for_batches else ("/predict", rows[0])
        connection.request("POST", path, json.dumps(body), _JSON)
        response = connection.getresponse()
        content = response.read()
        answer = json.loads(content)
        if response.status != 200:
            is_refusal = response.status in (429, 503) and "Retry-After" in response.headers
            self._acknowledged.note(began, f"{response.status} {answer['type']}", is_refusal=is_refusal)
            return response.will_close
        if self._asks_for_batches:
            self._acknowledged.batches[answer["batch_id"]] = AcknowledgedBatch(seed, content)
        else:
            self._acknowledged.decisions[answer["decision_id"]] = (rows[0], answer)
        self._acknowledged.note(began)
        return response.will_close

    def _connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self._port, timeout=60)


@contextmanager
def load(port: int) -> Iterator[Acknowledged]:
    """Send requests over 16 connections while the block runs; the result is complete after it."""
    acknowledged = Acknowledged()
    over = threading.Event()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        clients = [pool.submit(_Client(port, number, acknowledged).run, over) for number in range(CONNECTIONS)]
        try:
            yield acknowledged
        finally:
            over.set()
    for client in clients:
        client.result()


def progress(acknowledged: Acknowledged, decisions: int, batches: int = 1) -> None:
    """Wait until that many more decisions and batches have been acknowledged."""
    before = len(acknowledged.decisions), len(acknowledged.batches)
    wait_until(
        lambda: (
            len(acknowledged.decisions) >= before[0] + decisions and len(acknowledged.batches) >= before[1] + batches
        ),
        f"{decisions} more decisions and {batches} more batches",
    )


def assert_all_are_recorded(acknowledged: Acknowledged, database: Path | str) -> int:
    """Check that every acknowledged decision is recorded once, with its input and answer.

    `database` is a SQLite file or a URL. Return the number of decisions found, including rows of batches.
    """
    single = (decisions.c.id, decisions.c.features, decisions.c.probability, decisions.c.prediction)
    url = f"sqlite:///{database}" if isinstance(database, Path) else database
    with open_engine(url, patience=20).connect() as connection:
        rows = connection.execute(select(*single)).all()
        whole = connection.execute(select(batches.c.id, batches.c.content)).all()
    singles = {row[0]: row[1:] for row in rows}
    assert len(singles) == len(rows), "an id is recorded twice"
    assert [each for each in acknowledged.decisions if each not in singles] == []
    for decision_id, (sent, answer) in acknowledged.decisions.items():
        features, probability, prediction = singles[decision_id]
        assert features == sent
        assert (probability, prediction) == (answer["probability"], answer["prediction"])
    found = sum(each in singles for each in acknowledged.decisions)
    contents = {row[0]: row[1] for row in whole}
    assert [each for each in acknowledged.batches if each not in contents] == []
    for batch_id, batch in acknowledged.batches.items():
        columns, probabilities, predictions, *_ = unpack(SHIPPED, contents[batch_id])
        sent_rows, answer = batch.sent, batch.answer
        assert row_count(columns) == len(sent_rows)
        kept = {name: column.tolist() for name, column in texts(SHIPPED, columns).items()}
        assert kept == {name: [row[name] for row in sent_rows] for name in kept}
        assert probabilities.tolist() == [row["probability"] for row in answer["predictions"]]
        assert predictions.tolist() == [row["prediction"] for row in answer["predictions"]]
        found += row_count(columns)
    return found
