"""An interrupt is never lost, and never splits a protected step."""

import signal
from collections.abc import Iterator

import pytest

from training.interruption import Interrupts, is_interruption


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    listening = Interrupts()
    listening.listen()
    yield listening
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_interrupt(interrupts: Interrupts, number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_one_that_was_swallowed_is_remembered(interrupts: Interrupts) -> None:
    interrupts.check()
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        swallowed = True
    assert swallowed
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()
    with pytest.raises(KeyboardInterrupt), interrupts.held_off():
        pytest.fail("what must not be interrupted was begun")


def test_they_have_no_effect_while_they_are_held_off_and_their_usual_one_after(interrupts: Interrupts) -> None:
    with interrupts.held_off():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(ValueError, match="boom"), interrupts.held_off():
        raise ValueError("boom")
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_error_that_an_interrupt_led_to_is_one() -> None:
    def cut_short() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("cut short")

    with pytest.raises(ValueError, match="cut short") as caught:
        cut_short()
    assert is_interruption(caught.value)
    assert is_interruption(KeyboardInterrupt())
    assert not is_interruption(ValueError())
    assert not is_interruption(None)
