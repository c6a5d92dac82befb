"""The principal reasons against an application, selected from the contributions of all groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loan_api.credit.decision import Verdict
from loan_api.credit.features import Group
from loan_api.credit.policy import Policy

# More than four are unlikely to help an applicant (comment 9(b)(2)-1 to Regulation B).
MOST_REASONS = 4
# A smaller contribution is not a principal reason.
FLOOR = 0.01
# Sums of floats round. A contribution this small means that the model did not use the group.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Reason:
    """One reason in the form's words: the group, its features, and its contribution to the probability.

    A rule of the policy has no contribution.
    """

    code: str
    text: str
    features: Sequence[str]
    contribution: float | None


def principal_reasons(groups: Sequence[Group], contributions: Mapping[str, float]) -> list[Reason]:
    """Return the groups that lowered the probability most, at most `MOST_REASONS`, most adverse first.

    Contributions above -`FLOOR` are left out, except for the most adverse one. Ties keep the order of the form. Without
    an adverse group there are no reasons.
    """
    adverse = sorted(
        (group for group in groups if contributions[group.name] < -_ROUNDING), key=lambda g: contributions[g.name]
    )
    principal = [group for place, group in enumerate(adverse) if not place or contributions[group.name] <= -FLOOR]
    return [
        Reason(group.name, group.reason, group.features, contributions[group.name])
        for group in principal[:MOST_REASONS]
    ]


def reason_of_rule(policy: Policy, verdict: Verdict) -> Reason | None:
    """Return the reason of the rule that declined, which is the only one; None if no rule declined."""
    if verdict.rule is None or verdict.decision != "decline":
        return None
    rule = policy.rules_by_code[verdict.rule]
    used = set(rule.when.slopes)
    for derived in reversed(policy.form.derived):
        if derived.name in used:
            used.update(derived.formula.slopes)
    features = [name for name in policy.form.names if name in used]
    return Reason(rule.code, rule.reason or rule.code, features, contribution=None)
