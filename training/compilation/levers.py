"""The search for the number that brings a derived feature to a given value."""

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.derivation import derived_values
from loan_api.scoring.columns import Columns

# Beyond all allowed amounts on both sides of 0, so that every application can reach every value.
_FURTHEST = 1e14
_HALVINGS = 64
_ALL_BUT_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)


def lever_of(derived: str) -> str:
    """Return the number feature to move: the derived feature never falls when only this one grows."""
    return "bank_asset_value" if derived == "total_assets" else "loan_amount"


def smallest_reaching(applications: Columns, derived: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for n applications, the smallest float64 of the lever with which `derived` reaches its value (n).

    Bisection over all float64 numbers with the actual derivation is exact; an inverted formula would round.
    """
    lever = lever_of(derived)
    low, high = _ranks(np.full(len(values), -_FURTHEST)), _ranks(np.full(len(values), _FURTHEST))
    for _ in range(_HALVINGS):
        # The mean, rounded down, without a sum that could overflow.
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        reached = derived_values({**applications, lever: _numbers(middle)})[derived] >= values
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1, high))
    return _numbers(high)


def _ranks(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return integers in the order of the float64 numbers, consecutive for neighbours."""
    bits = numbers.view(np.int64)
    # The bits of negative numbers grow away from 0; flipped, they grow with the number.
    return np.where(bits < 0, bits ^ _ALL_BUT_SIGN, bits)


def _numbers(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the float64 numbers of these ranks."""
    numbers: NDArray[np.float64] = np.where(ranks < 0, ranks ^ _ALL_BUT_SIGN, ranks).view(np.float64)
    return numbers
