"""An unreachable tracking store is reported within seconds, with the cause and without the password."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from training.errors import TrackingUnreachableError
from training.tracking.reachability import check_reachable


@contextmanager
def listener(answer: bytes | None) -> Iterator[int]:
    """Open a port that sends `answer` to every request, or accepts connections and stays silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer or b"")

        thread = threading.Thread(target=serve)
        if answer is not None:
            thread.start()
        yield server.getsockname()[1]
        if answer is not None:
            thread.join(timeout=30)
            assert not thread.is_alive()


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_silent_store_is_given_up_after_seconds(scheme: str) -> None:
    with listener(answer=None) as port:
        started = time.monotonic()
        with pytest.raises(TrackingUnreachableError) as caught:
            check_reachable(f"{scheme}://me:hunter2@127.0.0.1:{port}/runs")
        # MLflow's own retries take several minutes.
        assert time.monotonic() - started < 60
    assert str(caught.value) == (
        f"the tracking store at 127.0.0.1:{port} does not answer within 5 s; start it or correct MLFLOW_TRACKING_URI"
    )


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
@pytest.mark.parametrize(
    ("address", "problem"), [("127.0.0.1:1", "refuses connections"), ("nowhere.invalid:1", "has an unknown host name")]
)
def test_the_cause_is_named(scheme: str, address: str, problem: str) -> None:
    with pytest.raises(TrackingUnreachableError, match=f"^the tracking store at {address} {problem}; start it or"):
        check_reachable(f"{scheme}://me:hunter2@{address}/runs")


def test_a_server_in_trouble_is_asked_once() -> None:
    answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with listener(answer) as port, pytest.raises(TrackingUnreachableError, match="does not work"):
        check_reachable(f"http://127.0.0.1:{port}")


def test_a_server_that_answers_is_reachable() -> None:
    body = b'{"experiments": []}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
    with listener(head + str(len(body)).encode() + b"\r\n\r\n" + body) as port:
        check_reachable(f"http://127.0.0.1:{port}")
    check_reachable("sqlite:////nowhere/mlflow.db")
