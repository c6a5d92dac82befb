"""Load generator: sends requests on a schedule, reports outcomes, and counts responses."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from loan_api.entrypoints.simulation.scenarios import Call

_CLIENTS = 8
_TIMEOUT_SECONDS = 30.0
# The server may be closing a connection that has been idle for longer.
_KEPT_SECONDS = 30.0
_NO_ANSWER = "no answer"


class Service:
    """A client of the service at `url` with one persistent connection for each thread and an optional API key."""

    def __init__(self, url: str, key: str | None) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._headers = {"Content-Type": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._local = threading.local()

    def ask(self, method: str, path: str, body: bytes) -> tuple[str, Any]:
        """Return the status (or `no answer`) and the JSON of the response."""
        connection = getattr(self._local, "connection", None)
        if connection is None or monotonic() - self._local.used_at > _KEPT_SECONDS:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
            self._local.connection = connection
        self._local.used_at = monotonic()
        try:
            connection.request(method, path, body, self._headers)
            answer = connection.getresponse()
            return str(answer.status), json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            self._local.connection = None
            return _NO_ANSWER, None


class Traffic:
    """Requests from `next_call`, sent at a fixed rate; responses are counted by path and status."""

    def __init__(self, service: Service, next_call: Callable[[], Call], *, reports_outcomes: bool) -> None:
        self._service = service
        self._next_call = next_call
        self._reports_outcomes = reports_outcomes
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.counts: Counter[tuple[str, str]] = Counter()

    def run(self, rate: float, seconds: float | None, pressure: list[Callable[[], Call]]) -> None:
        """Send `rate` requests a second for `seconds` or until stopped; a thread repeats each call of `pressure`."""
        pushing = [threading.Thread(target=self._push, args=(call,), daemon=True) for call in pressure]
        for thread in pushing:
            thread.start()
        started, sent = monotonic(), 0
        with ThreadPoolExecutor(_CLIENTS) as clients:
            while not self._stopped.wait(max(0.0, started + sent / rate - monotonic())):
                if seconds is not None and monotonic() - started >= seconds:
                    break
                clients.submit(self._send, self._next_call())
                sent += 1
            self._stopped.set()
        for thread in pushing:
            thread.join()

    def stop(self) -> None:
        """Stop after pending requests are answered."""
        self._stopped.set()

    def _send(self, call: Call) -> None:
        status, answer = self._service.ask("POST", call.path, call.body)
        self._count(call.path, status)
        if self._reports_outcomes and call.outcome is not None and status == "200":
            body = json.dumps({"outcome": call.outcome}).encode()
            status, _ = self._service.ask("PUT", f"/decisions/{answer['decision_id']}/outcome", body)
            self._count("/decisions/{id}/outcome", status)

    def _push(self, call: Callable[[], Call]) -> None:
        while not self._stopped.is_set():
            made = call()
            self._count(made.path, self._service.ask("POST", made.path, made.body)[0])

    def _count(self, path: str, status: str) -> None:
        with self._lock:
            self.counts[path, status] += 1
