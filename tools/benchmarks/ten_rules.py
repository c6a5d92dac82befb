"""A policy for the benchmark, made from the form."""

from loan_api.credit.form import Form

_HEAD = """version = "benchmark"

[bands]
approve_from = 0.8
refer_from = 0.5
"""
_RULE = """
[[rules]]
code = "rule_{number}"
when = "{condition}"
decision = "{decision}"
reason = "Rule {number} of the benchmark"
"""
_RULES = 10
# So high that few applications reach it: the rules are evaluated but seldom decide.
_SHARE = 0.99


def ten_rules(form: Form) -> str:
    """Return a policy of ten rules; each calculates with two numbers and looks up a category, if the form has any."""
    numbers, categories = form.numbers, form.categories
    rules = []
    for place in range(_RULES):
        first, second = numbers[place % len(numbers)], numbers[(place + 1) % len(numbers)]
        condition = f"{first.name} + {second.name} > {_SHARE * (first.maximum + second.maximum):.1f}"
        if categories:
            category = categories[place % len(categories)]
            condition += f" and {category.name} == '{category.values[0]}'"
        decision = ("decline", "refer")[place % 2]
        rules.append(_RULE.format(number=place + 1, condition=condition, decision=decision))
    return _HEAD + "".join(rules)
