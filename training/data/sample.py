"""A synthetic dataset, so that a fresh clone can train without real data.

It has the columns, value grids and quirks of the real file (spaces after commas, −100000 for some residential assets)
and a similar decision: a credit score cut-off, overturned for short loans that are large for the income and covered by
assets.
"""

from pathlib import Path

import numpy as np

from loan_api.credit.form import Form

ROWS = 4000
SEED = 20240313
_LAKH = 100_000

_CREDIT_SCORE_CUT = 550
_SHORT_TERM_YEARS = 4
_LARGE_IN_YEARS_OF_INCOME = 3


def write_sample(form: Form, path: Path, rows: int = ROWS, seed: int = SEED) -> None:
    """Write `rows` applications of the shipped form to `path`.

    The same seed gives the same bytes on every platform and version. `RandomState` is used because its streams are
    frozen (NEP 19), and only whole numbers are derived from it.
    """
    random = np.random.RandomState(seed)
    income = random.randint(2, 100, rows) * _LAKH
    loan = _share_of(income, random.randint(150, 401, rows), 3 * _LAKH)
    residential = _share_of(income, random.randint(0, 296, rows), 0)
    residential[random.randint(0, 120, rows) == 0] = -_LAKH
    commercial = _share_of(income, random.randint(0, 200, rows), 0)
    luxury = _share_of(income, random.randint(150, 401, rows), 3 * _LAKH)
    bank = _share_of(income, random.randint(30, 151, rows), 0)
    score = random.randint(300, 901, rows)
    term = random.randint(1, 11, rows) * 2
    dependents = random.randint(0, 6, rows)
    graduate = random.randint(0, 2, rows) == 1
    business = random.randint(0, 2, rows) == 1

    assets = residential + commercial + luxury + bank
    short_and_large = (term <= _SHORT_TERM_YEARS) & (loan >= _LARGE_IN_YEARS_OF_INCOME * income)
    approved = np.where(score >= _CREDIT_SCORE_CUT, loan <= assets, short_and_large & (loan <= assets))

    columns = (
        np.arange(1, rows + 1),
        dependents,
        np.where(graduate, " Graduate", " Not Graduate"),
        np.where(business, " Yes", " No"),
        income,
        loan,
        term,
        score,
        residential,
        commercial,
        luxury,
        bank,
        np.where(approved, " Approved", " Rejected"),
    )
    lines = [", ".join([str(form.dataset.identifier), *form.names, form.outcome.column])]
    lines += [",".join(str(value) for value in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")


def _share_of(income: np.ndarray, percent: np.ndarray, least: int) -> np.ndarray:
    """Return `percent` of `income` in whole lakhs (100,000 rupees), but no less than `least`."""
    share: np.ndarray = np.maximum(income * percent // 100 // _LAKH * _LAKH, least)
    return share
