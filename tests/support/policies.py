"""Credit policies for tests."""

from loan_api.settings import PROJECT_ROOT

# For the shipped form.
EXAMPLE = PROJECT_ROOT / "docs" / "examples" / "policy.toml"

# For the form SMALL: every kind of condition, missing values, and derived features.
TEN_RULES = """
version = "ten"
reviewers = 2

[bands]
approve_from = 0.75
refer_from = 0.4

[[rules]]
code = "burden"
when = "burden > 0.9"
decision = "decline"
reason = "Rate too high for the income"

[[rules]]
code = "young_renter"
when = "young_renter and amount > 4000"
decision = "refer"

[[rules]]
code = "unknown"
when = "unknown_income or missing(age) and missing(housing)"
decision = "refer"
reason = "Incomplete"

[[rules]]
code = "rich"
when = "income > 11_000 and not (purpose == 'other')"
decision = "approve"

[[rules]]
code = "long"
when = "80 < months <= 84"
decision = "decline"
reason = "Term too long"

[[rules]]
code = "cars"
when = "purpose in ('car', 'used car') and housing != 'own' and amount != 1000"
decision = "refer"

[[rules]]
code = "doubtful"
when = "0.4 <= probability < 0.45"
decision = "decline"
reason = "Too uncertain"

[[rules]]
code = "rates"
when = "min(rate, amount / 2, 500) >= 250 or abs(income - 5000) < 10"
decision = "refer"

[[rules]]
code = "old"
when = "age in (100, 110, 120) and (income > 100) == (months > 12)"
decision = "refer"

[[rules]]
code = "small"
when = "rate / probability < 12 or age < 20 and amount < 200"
decision = "approve"
"""
