"""The choice of principal reasons from the contributions of all groups."""

import pytest

from loan_api.credit.reasons import principal_reasons
from tests.support.forms import SHIPPED

NAMES = [group.name for group in SHIPPED.groups]


@pytest.mark.parametrize(
    ("adverse", "expected"),
    [
        ({0: -0.2, 3: -0.4, 1: -0.2}, [3, 0, 1]),
        ({0: -0.1, 1: -0.2, 2: -0.3, 3: -0.4, 4: -0.5}, [4, 3, 2, 1]),
        ({2: -0.5, 4: -0.009}, [2]),
        ({4: -0.009, 2: -0.002}, [4]),
        ({2: -0.5, 4: -1e-17}, [2]),
        ({4: -9e-17, 2: -1e-17}, []),
        ({}, []),
    ],
    ids=["ties", "at most four", "a floor", "the most adverse", "rounding beside a reason", "only rounding", "none"],
)
def test_reasons_are_the_most_adverse_groups(adverse: dict[int, float], expected: list[int]) -> None:
    contributions = {name: adverse.get(place, 0.1) for place, name in enumerate(NAMES)}
    reasons = principal_reasons(SHIPPED.groups, contributions)
    assert [reason.code for reason in reasons] == [NAMES[place] for place in expected]
