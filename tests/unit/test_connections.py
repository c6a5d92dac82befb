"""Workers take turns at accepting connections, and none waits for one that is away."""

import os

import pytest

from loan_api.connections import Connections, Turn


@pytest.fixture
def connections() -> Connections:
    connections = Connections()
    connections.join(0)
    connections.join(1)
    return connections


def test_the_worker_with_fewest_connections_accepts(connections: Connections) -> None:
    first, second = Turn(connections, 0), Turn(connections, 1)
    assert first.has_come()
    connections.opened(0)
    assert not first.has_come()
    assert second.has_come()
    connections.opened(1)
    assert first.has_come()


def test_a_closed_connection_counts_no_more(connections: Connections) -> None:
    connections.opened(0)
    connections.closed(0)
    connections.closed(0)
    assert Turn(connections, 0).has_come()


def test_a_worker_that_is_gone_is_not_waited_for(connections: Connections) -> None:
    connections.opened(0)
    connections.leave(1)
    assert Turn(connections, 0).has_come()


def test_a_worker_that_is_busy_is_not_waited_for_long(connections: Connections) -> None:
    connections.opened(0)
    turn = Turn(connections, 0)
    waited = 0
    while not turn.has_come():
        waited += 1
    assert waited > 0


def test_a_worker_that_takes_a_slot_over_starts_anew(connections: Connections) -> None:
    connections.opened(0)
    connections.join(0)
    assert connections.has_fewest(0)


def test_the_counts_are_shared_with_forked_processes(connections: Connections) -> None:
    child = os.fork()
    if child == 0:
        connections.opened(0)
        os._exit(0)
    os.waitpid(child, 0)
    assert not connections.has_fewest(0)
