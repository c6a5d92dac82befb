"""Target of a rollback, derived from the events alone."""

from datetime import UTC, datetime, timedelta

import pytest

from loan_api.scoring.promotions import Action, Event
from training.registry.history import standing, was_taken_out

START = datetime(2024, 3, 13, tzinfo=UTC)
P: Action = "promote"
R: Action = "rollback"
F: Action = "found"


def events(*steps: tuple[Action, str]) -> list[Event]:
    """Return one event per hour."""
    return [
        Event(START + timedelta(hours=hour), action, version, f"1.0.{version}", "someone", done=True)
        for hour, (action, version) in enumerate(steps)
    ]


@pytest.mark.parametrize(
    ("steps", "stack"),
    [
        ([], []),
        ([(P, "1")], ["1"]),
        ([(P, "1"), (P, "2"), (P, "3")], ["1", "2", "3"]),
        ([(P, "1"), (P, "2"), (P, "3"), (R, "2")], ["1", "2"]),
        ([(P, "1"), (P, "2"), (P, "3"), (R, "2"), (R, "1")], ["1"]),
        ([(P, "1"), (P, "2"), (R, "1"), (P, "3")], ["1", "3"]),
        ([(P, "1"), (P, "2"), (R, "1"), (P, "2")], ["1", "2"]),
        ([(P, "1"), (F, "4")], ["1", "4"]),
        ([(P, "1"), (P, "2"), (P, "1")], ["1", "2", "1"]),
        ([(P, "1"), (P, "2"), (P, "1"), (R, "2")], ["2"]),
        ([(R, "1")], ["1"]),
    ],
)
def test_a_promotion_comes_on_top_and_a_rollback_takes_the_top_away(
    steps: list[tuple[Action, str]], stack: list[str]
) -> None:
    assert standing(events(*steps)) == stack


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(P, "1"), (P, "2")], False),
        ([(P, "1"), (P, "2"), (R, "1")], True),
        ([(P, "1"), (P, "2"), (R, "1"), (P, "3")], True),
        ([(P, "1"), (P, "2"), (R, "1"), (P, "2")], False),
        ([(P, "1"), (P, "2"), (P, "3")], False),
    ],
)
def test_a_version_that_was_rolled_back_is_known_until_it_is_promoted_again(
    steps: list[tuple[Action, str]], expected: bool
) -> None:
    assert was_taken_out(events(*steps), "2") is expected


def test_names_of_events_sort_as_their_times_do() -> None:
    keys = [event.key for event in events((P, "1"), (P, "2"), (P, "3"))]
    assert keys == sorted(keys)
