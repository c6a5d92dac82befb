"""Clients that remember what was acknowledged, and what the decision log has of it."""

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
from tests.support.waiting import wait_until
from tools.benchmarks.requests_made import Application, applications

CONNECTIONS = 16
# Large enough to be handed to a batch process.
BATCH_ROWS = 400
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Attempt:
    """A request: when it began and ended (seconds of the monotonic clock), and what went wrong, if anything.

    `is_refusal`: the service asked to come again later, with `Retry-After`.
    """

    began: float
    ended: float
    problem: str | None = None
    is_refusal: bool = False


@dataclass(frozen=True)
class AcknowledgedBatch:
    """A batch, by the seed that its rows were made from, and the answer as it came: taken apart, it takes megabytes."""

    seed: int
    content: bytes

    @property
    def sent(self) -> list[Application]:
        """Its rows."""
        return applications(BATCH_ROWS, self.seed)

    @property
    def answer(self) -> dict[str, Any]:
        """The answer."""
        told: dict[str, Any] = json.loads(self.content)
        return told


@dataclass
class Acknowledged:
    """What clients were told: the input and the answer of each decision, by its id, and of each batch."""

    decisions: dict[str, tuple[Application, dict[str, Any]]] = field(default_factory=dict)
    batches: dict[str, AcknowledgedBatch] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    attempts: list[Attempt] = field(default_factory=list)

    def note(self, began: float, problem: str | None = None, *, is_refusal: bool = False) -> None:
        """Adds the attempt that has just come to its end."""
        self.attempts.append(Attempt(began, monotonic(), problem, is_refusal))
        if problem is not None:
            self.refusals[problem] += 1


class _Client:
    """Asks again and again over one connection; whatever goes wrong was not acknowledged."""

    def __init__(self, port: int, number: int, told: Acknowledged) -> None:
        self._port = port
        self._random = Random(number)
        self._told = told
        # Of eight clients, one asks for batches.
        self._asks_for_batches = number % 8 == 0

    def run(self, is_over: threading.Event) -> None:
        connection = self._connect()
        while not is_over.is_set():
            began = monotonic()
            try:
                closing_soon = self._ask(connection, began)
            except (OSError, HTTPException, ValueError) as error:
                self._told.note(began, type(error).__name__)
                closing_soon = True
                is_over.wait(0.05)
            # A little idleness: the tests share the machine with the service.
            is_over.wait(0.01)
            if closing_soon:
                connection.close()
                connection = self._connect()
        connection.close()

    def _ask(self, connection: HTTPConnection, began: float) -> bool:
        seed = self._random.getrandbits(64)
        rows = applications(BATCH_ROWS if self._asks_for_batches else 1, seed)
        path, body = ("/predict/batch", {"instances": rows}) if self._asks_for_batches else ("/predict", rows[0])
        connection.request("POST", path, json.dumps(body), _JSON)
        response = connection.getresponse()
        content = response.read()
        answer = json.loads(content)
        if response.status != 200:
            is_refusal = response.status in (429, 503) and "Retry-After" in response.headers
            self._told.note(began, f"{response.status} {answer['type']}", is_refusal=is_refusal)
            return response.will_close
        if self._asks_for_batches:
            self._told.batches[answer["batch_id"]] = AcknowledgedBatch(seed, content)
        else:
            self._told.decisions[answer["decision_id"]] = (rows[0], answer)
        self._told.note(began)
        return response.will_close

    def _connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self._port, timeout=60)


@contextmanager
def load(port: int) -> Iterator[Acknowledged]:
    """Asks over 16 connections while the block runs; what it gives is complete after it."""
    told = Acknowledged()
    over = threading.Event()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for number in range(CONNECTIONS):
            pool.submit(_Client(port, number, told).run, over)
        try:
            yield told
        finally:
            over.set()


def progress(told: Acknowledged, decisions: int, batches: int = 1) -> None:
    """Waits until so many more decisions and batches are acknowledged."""
    before = len(told.decisions), len(told.batches)
    wait_until(
        lambda: len(told.decisions) >= before[0] + decisions and len(told.batches) >= before[1] + batches,
        f"{decisions} more decisions and {batches} more batches",
    )


def assert_all_are_recorded(told: Acknowledged, database: Path | str) -> int:
    """Every acknowledged decision is in the database once, with the input that was sent and the answer to it.

    `database` is SQLite's file, or a URL. How many were found there, rows of batches among them.
    """
    single = (decisions.c.id, decisions.c.features, decisions.c.probability, decisions.c.prediction)
    url = f"sqlite:///{database}" if isinstance(database, Path) else database
    with open_engine(url, patience=20).connect() as connection:
        rows = connection.execute(select(*single)).all()
        whole = connection.execute(select(batches.c.id, batches.c.content)).all()
    singles = {row[0]: row[1:] for row in rows}
    assert len(singles) == len(rows), "no id is there twice"
    assert [each for each in told.decisions if each not in singles] == []
    for decision_id, (sent, answer) in told.decisions.items():
        features, probability, prediction = singles[decision_id]
        assert features == sent
        assert (probability, prediction) == (answer["probability"], answer["prediction"])
    found = sum(each in singles for each in told.decisions)
    contents = {row[0]: row[1] for row in whole}
    assert [each for each in told.batches if each not in contents] == []
    for batch_id, batch in told.batches.items():
        columns, probabilities, predictions = unpack(contents[batch_id])
        sent_rows, answer = batch.sent, batch.answer
        assert row_count(columns) == len(sent_rows)
        kept = {name: column.tolist() for name, column in texts(columns).items()}
        assert kept == {name: [row[name] for row in sent_rows] for name in kept}
        assert probabilities.tolist() == [row["probability"] for row in answer["predictions"]]
        assert predictions.tolist() == [row["prediction"] for row in answer["predictions"]]
        found += row_count(columns)
    return found
