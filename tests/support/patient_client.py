"""A client that repeats a request that the service was too busy to start, after the pause that it asks for."""

import json
import time
from contextlib import AbstractContextManager
from http.client import HTTPConnection

SATURATED = "urn:loan-api:problem:saturated"
_REPETITIONS = 30


class PatientClient(AbstractContextManager["PatientClient"]):
    """A client with one connection, which is reopened if the service has closed it."""

    def __init__(self, port: int, **headers: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = headers
        self.refused = 0

    def post(self, path: str, body: str | bytes, media_type: str = "application/json") -> tuple[int, bytes]:
        """Return the status and body of the answer; only load shedding is retried, and counted as `refused`."""
        for _ in range(_REPETITIONS):
            self._connection.request("POST", path, body, {**self._headers, "Content-Type": media_type})
            with self._connection.getresponse() as response:
                content = response.read()
            if response.will_close:
                self._connection.close()
            if response.status != 503 or json.loads(content)["type"] != SATURATED:
                return response.status, content
            self.refused += 1
            time.sleep(float(response.headers["Retry-After"]))
        raise AssertionError(f"{path} was refused {_REPETITIONS} times in a row")

    def __exit__(self, *_: object) -> None:
        self._connection.close()
