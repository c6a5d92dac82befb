"""Workers take turns at accepting connections, and none waits for one that is away."""

import os

import pytest

from loan_api.entrypoints.server.connections import Connections, Turn


@pytest.fixture
def connections() -> Connections:
    connections = Connections()
    connections.join(0)
    connections.join(1)
    return connections


class Loop:
    """A loop in whose turns a connection is waiting, each of which takes a worker three quarters of a millisecond."""

    def __init__(self) -> None:
        self.turn = 1
        self.worked = 10.0

    def turn_of(self, slot: int, connections: Connections) -> Turn:
        return Turn(connections, slot, lambda: self.turn, lambda: self.worked)

    def go_on(self, turns: int = 1, *, at_work: float = 0.00075) -> None:
        self.turn += turns
        self.worked += at_work


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_the_worker_with_fewest_connections_accepts(connections: Connections, loop: Loop) -> None:
    first, second = loop.turn_of(0, connections), loop.turn_of(1, connections)
    assert first.has_come()
    first.was_taken()
    assert not first.has_come()
    assert second.has_come()
    second.was_taken()
    assert first.has_come()


def test_a_closed_connection_counts_no_more(connections: Connections) -> None:
    connections.opened(0)
    connections.closed(0)
    connections.closed(0)
    assert connections.has_fewest(0)


def test_a_worker_that_is_gone_is_not_waited_for(connections: Connections) -> None:
    connections.opened(0)
    connections.leave(1)
    assert connections.has_fewest(0)


@pytest.fixture
def second_to_come(connections: Connections, loop: Loop) -> Turn:
    """The turn of a worker that has one more than the other."""
    connections.opened(0)
    return loop.turn_of(0, connections)


def taken(turn: Turn) -> int:
    """How many it accepts in this turn of its loop, where there is no end of them."""
    count = 0
    while turn.has_come():
        turn.was_taken()
        count += 1
    return count


def test_a_worker_that_is_busy_is_not_waited_for_long(second_to_come: Turn, loop: Loop) -> None:
    seen = []
    for _ in range(7):
        seen.append(taken(second_to_come))
        loop.go_on()
    assert seen == [0, 0, 0, 1, 0, 0, 1]


def test_a_worker_that_was_busy_itself_takes_as_many_as_it_would_have_taken_meanwhile(
    second_to_come: Turn, loop: Loop
) -> None:
    assert taken(second_to_come) == 0
    loop.go_on(at_work=0.0208)
    assert taken(second_to_come) == 10
    assert taken(second_to_come) == 0


@pytest.mark.parametrize("taken_by_another", [False, True])
def test_what_waits_no_more_was_not_waited_for(second_to_come: Turn, loop: Loop, taken_by_another: bool) -> None:
    assert taken(second_to_come) == 0
    if not taken_by_another:
        second_to_come.was_not_needed()
    loop.go_on(turns=2 if taken_by_another else 1, at_work=10)
    assert taken(second_to_come) == 0


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
