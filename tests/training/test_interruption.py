"""A step that must not be cut in two is not."""

import signal
from collections.abc import Iterator

import pytest

from training.interruption import interrupt_on_sigterm, uninterrupted


@pytest.fixture(autouse=True)
def _usual_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_signals_have_no_effect_inside_and_their_usual_one_outside() -> None:
    interrupt_on_sigterm()
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_the_usual_effect_is_back_after_a_failure() -> None:
    with pytest.raises(ValueError, match="boom"), uninterrupted():
        raise ValueError("boom")
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
