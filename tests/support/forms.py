"""Application forms for tests: the shipped one, the example, and a small one with everything a form can declare."""

from loan_api.credit.form import parse_form, read_form
from loan_api.settings import PROJECT_ROOT, SHIPPED_FORM

SHIPPED = read_form(SHIPPED_FORM)
GERMAN = read_form(PROJECT_ROOT / "dataset" / "german_credit.toml")

SMALL_TEXT = """
[form]
name = "small_loans"
title = "Small loans"

[outcome]
column = "result"
approved = "paid"
rejected = ["late", "lost"]

[dataset]
identifier = "number"
ignored = ["phone"]
missing = ["?", "n/a"]

[features.amount]
type = "number"
description = "The amount applied for."
unit = "euros"
minimum = 0.5
maximum = 50_000.25
example = 1200.5
effect = "decreasing"
group = "size"
reason = "Amount too large"
actionable = true

[features.income]
type = "number"
description = "Income in a month."
unit = "euros"
minimum = 0
maximum = 100_000
example = 2500
bins = [0, 1_000, 2_000, 4_000, 8_000]
effect = "increasing"
optional = true

[features.months]
type = "integer"
description = "The time to repay the loan."
unit = "months"
minimum = 1
maximum = 84
example = 24

[features.age]
type = "integer"
description = "The applicant's age."
unit = "years"
minimum = 18
maximum = 120
example = 40
optional = true

[features.purpose]
type = "category"
description = "What the loan is for."
values = ["car", "used car", "home", "other"]
folds = { "used car" = "car" }
example = "home"

[features.housing]
type = "category"
description = "How the applicant lives."
values = ["own", "rent"]
example = "rent"
optional = true

[derived.rate]
formula = "amount / months"
description = "Euros to repay in a month, without interest."
group = "size"

[derived.burden]
formula = "rate / income"
description = "The rate as a share of the income."

[derived.young_renter]
formula = "housing == 'rent' and age < 30"
description = "Whether a young applicant rents."

[derived.unknown_income]
formula = "missing(income)"
description = "Whether the income is missing."
"""

# With optional features, fractions, effects, folds, deciles as bins and derived features.
SMALL = parse_form(SMALL_TEXT)
