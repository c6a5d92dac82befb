"""Workers take turns at accepting connections, and none waits for one that is absent or busy."""

import os

import pytest

from loan_api.entrypoints.server.accept_turns import AcceptTurns, ConnectionCounts


@pytest.fixture
def connections() -> ConnectionCounts:
    connections = ConnectionCounts()
    connections.join(0)
    connections.join(1)
    return connections


class Loop:
    """An event loop; a connection is waiting in each iteration, which takes three quarters of a millisecond of work."""

    def __init__(self) -> None:
        self.iteration = 1
        self.worked = 10.0

    def turns_of(self, slot: int, connections: ConnectionCounts) -> AcceptTurns:
        return AcceptTurns(connections, slot, lambda: self.iteration, lambda: self.worked)

    def go_on(self, iterations: int = 1, *, at_work: float = 0.00075) -> None:
        self.iteration += iterations
        self.worked += at_work


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_the_worker_with_fewest_connections_accepts(connections: ConnectionCounts, loop: Loop) -> None:
    first, second = loop.turns_of(0, connections), loop.turns_of(1, connections)
    assert first.should_accept()
    first.accepted()
    assert not first.should_accept()
    assert second.should_accept()
    second.accepted()
    assert first.should_accept()


def test_a_closed_connection_no_longer_counts(connections: ConnectionCounts) -> None:
    connections.opened(0)
    connections.closed(0)
    connections.closed(0)
    assert connections.has_fewest(0)


def test_an_absent_worker_is_not_waited_for(connections: ConnectionCounts) -> None:
    connections.opened(0)
    connections.leave(1)
    assert connections.has_fewest(0)


@pytest.fixture
def second_in_turn(connections: ConnectionCounts, loop: Loop) -> AcceptTurns:
    """Provide a worker with one more connection than the other."""
    connections.opened(0)
    return loop.turns_of(0, connections)


def accepted_by(turns: AcceptTurns) -> int:
    """Return how many connections a worker accepts in one iteration if more are always waiting."""
    count = 0
    while turns.should_accept():
        turns.accepted()
        count += 1
    return count


def test_a_busy_worker_is_not_waited_for_long(second_in_turn: AcceptTurns, loop: Loop) -> None:
    seen = []
    for _ in range(7):
        seen.append(accepted_by(second_in_turn))
        loop.go_on()
    assert seen == [0, 0, 0, 1, 0, 0, 1]


def test_a_worker_that_was_busy_catches_up(second_in_turn: AcceptTurns, loop: Loop) -> None:
    assert accepted_by(second_in_turn) == 0
    loop.go_on(at_work=0.0208)
    assert accepted_by(second_in_turn) == 10
    assert accepted_by(second_in_turn) == 0


@pytest.mark.parametrize("taken_by_another", [False, True])
def test_patience_starts_again_once_nothing_is_waiting(
    second_in_turn: AcceptTurns, loop: Loop, taken_by_another: bool
) -> None:
    assert accepted_by(second_in_turn) == 0
    if not taken_by_another:
        second_in_turn.nothing_waiting()
    loop.go_on(iterations=2 if taken_by_another else 1, at_work=10)
    assert accepted_by(second_in_turn) == 0


def test_a_slot_is_reset_for_its_next_worker(connections: ConnectionCounts) -> None:
    connections.opened(0)
    connections.join(0)
    assert connections.has_fewest(0)


def test_the_counts_are_shared_with_forked_processes(connections: ConnectionCounts) -> None:
    child = os.fork()
    if child == 0:
        connections.opened(0)
        os._exit(0)
    os.waitpid(child, 0)
    assert not connections.has_fewest(0)
