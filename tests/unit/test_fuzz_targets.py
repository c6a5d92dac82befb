"""Parsers raise only documented errors and quote no values: the targets of `python -m tests.fuzz`, unguided."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import targets

TARGETS = targets()


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_broken_anywhere_is_read_or_refused(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(target.seeds), st.data())
    def read_broken(seed: bytes, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(seed)), label="at")
        cut = data.draw(st.integers(0, 8), label="cut")
        target.read(seed[:at] + data.draw(st.binary(max_size=8), label="put") + seed[at + cut :])

    for seed in target.seeds:
        target.read(seed)
    read_broken()
