"""The credit policy: the lender's decision on an application, given the model's probability.

`parse_policy` reads it from the text of a `policy.toml` and reports every error by key. The first rule whose condition
is true decides; otherwise the bands of the probability do. Columns and single applications are evaluated by the same
expressions, so they agree on every decision.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.conditions import Alternative, alternatives, covers
from loan_api.credit.decision import APPROVE, DECISIONS, DECLINE, REFER, Decision, Verdict
from loan_api.credit.expressions import Expression, ExpressionError, FirstMatch, Operand
from loan_api.credit.form import Form
from loan_api.credit.toml_tables import WORD, Problem, Table, TomlError, parse_toml, read_text

# Positions of rules are int8, and every rule adds time series to the metrics.
_MOST_RULES = 100
_MOST_CHARACTERS = 30_000
_LONGEST_CODE = 64
# The version is also sent in a header.
_VERSION = re.compile(r"[!-~]([ -~]*[!-~])?")
_PROBABILITY = "probability"
_NAN = float("nan")


class PolicyError(TomlError):
    """A policy is not valid. `problems` holds every error found."""


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule that decides if its condition is true. `reason` is its text for the applicant."""

    code: str
    when: Expression
    decision: Decision
    reason: str | None


@dataclass(frozen=True, eq=False)
class Policy:
    """A policy for applications of `form`. `text` is its source; `reviewers` must agree on a referral.

    If no rule applies, it approves from the probability `approve_from` up, refers from `refer_from` up, and declines
    below.
    """

    form: Form
    version: str
    approve_from: float
    refer_from: float
    rules: tuple[Rule, ...]
    reviewers: int
    text: str

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Return the codes of the rules, in order."""
        return tuple(rule.code for rule in self.rules)

    @cached_property
    def rules_by_code(self) -> Mapping[str, Rule]:
        """Return the rules by their codes."""
        return {rule.code: rule for rule in self.rules}

    def decide(self, application: Mapping[str, Any], probability: float) -> Verdict:
        """Decide one valid application."""
        values: dict[str, Any] = {**application, _PROBABILITY: probability}
        for name, codes in self._codes:
            values[name] = codes[values[name]]
        for name in self._optional:
            if values[name] is None:
                values[name] = _NAN
        for name, formula in self._formulas:
            values[name] = formula.of_application(values)
        place = self._first_match.of_application(values)
        if place >= 0:
            rule = self.rules[place]
            return Verdict(rule.decision, rule.code)
        if probability >= self.approve_from:
            return Verdict("approve", None)
        return Verdict("refer" if probability >= self.refer_from else "decline", None)

    def decide_columns(
        self, applications: Mapping[str, NDArray[Any]], probabilities: NDArray[np.float64]
    ) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Return positions in `DECISIONS` (n) and in `rules` (n; -1 if no rule applies) for n applications."""
        rows = len(probabilities)
        values: dict[str, NDArray[Any]] = {**applications, _PROBABILITY: probabilities}
        for name, formula in self._formulas:
            values[name] = formula.of_columns(values, rows)
        rules = self._first_match.of_columns(values, rows)
        bands = np.where(
            probabilities >= self.approve_from, APPROVE, np.where(probabilities >= self.refer_from, REFER, DECLINE)
        )
        decided_by_rules = np.array([*(DECISIONS.index(rule.decision) for rule in self.rules), 0])[rules]
        return np.where(rules >= 0, decided_by_rules, bands).astype(np.int8), rules

    @cached_property
    def _first_match(self) -> FirstMatch:
        return FirstMatch([rule.when.source for rule in self.rules], _scope(self.form))

    @cached_property
    def _formulas(self) -> tuple[tuple[str, Expression], ...]:
        """The derived features that the conditions need, in the order of declaration."""
        needed = {name for rule in self.rules for name in rule.when.slopes}
        for derived in reversed(self.form.derived):
            if derived.name in needed:
                needed |= set(derived.formula.slopes)
        return tuple((derived.name, derived.formula) for derived in self.form.derived if derived.name in needed)

    @cached_property
    def needs(self) -> frozenset[str]:
        """The names in the conditions, and in the formulas that they need: features, derived features, probability."""
        expressions = [*(rule.when for rule in self.rules), *(formula for _, formula in self._formulas)]
        return frozenset(name for expression in expressions for name in expression.slopes)

    @cached_property
    def _codes(self) -> tuple[tuple[str, Mapping[str | None, int]], ...]:
        return tuple((name, codes) for name, codes in self.form.codes.items() if name in self.needs)

    @cached_property
    def _optional(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.form.numbers if each.optional and each.name in self.needs)


def read_policy(path: Path, form: Form) -> Policy:
    """Read a policy from a file. Raises PolicyError if it is invalid or unreadable."""
    return parse_policy(read_text(path, PolicyError), form)


def parse_policy(text: str, form: Form) -> Policy:
    """Parse the text of a policy and validate it against the form. Raises PolicyError with every error by key."""
    content = parse_toml(text, _MOST_CHARACTERS, PolicyError)
    problems: list[Problem] = []
    root = Table(content, "", problems)
    version = root.text("version", pattern=_VERSION, expected="ASCII letters, digits and punctuation")
    if len(version) > _LONGEST_CODE:
        root.wrong("version", f"must have at most {_LONGEST_CODE} characters")
    reviewers = root.take("reviewers")
    # True and 1.0 equal 1.
    if reviewers is not None and (type(reviewers) is not int or reviewers not in (1, 2)):
        root.wrong("reviewers", "must be 1 or 2")
    approve_from, refer_from = _bands(root.table("bands"))
    rules = _rules(root, form)
    root.end()
    if problems:
        raise PolicyError(problems)
    return Policy(form, version, approve_from, refer_from, rules, reviewers or 1, text)


@lru_cache(maxsize=8)
def parsed_policy(text: str, form: Form) -> Policy:
    """Parse a policy as `parse_policy` does, but return the same object for the same text and form."""
    return parse_policy(text, form)


def _bands(table: Table) -> tuple[float, float]:
    approve_from, refer_from = (_share(table, name) for name in ("approve_from", "refer_from"))
    if refer_from > approve_from:
        table.wrong("refer_from", f"must be at most approve_from, {approve_from:.15g}")
    table.end()
    return approve_from, refer_from


def _share(table: Table, name: str) -> float:
    share = table.number(name, within=(0, 1))
    return _NAN if share is None else float(share)


def _rules(root: Table, form: Form) -> tuple[Rule, ...]:
    tables = root.rows("rules", _key)
    if len(tables) > _MOST_RULES:
        root.wrong("rules", f"has {len(tables)} rules; at most {_MOST_RULES} are supported")
        return ()
    scope = _scope(form)
    earlier: dict[str, list[Alternative]] = {}
    rules = []
    for place, table in enumerate(tables, start=1):
        code = table.text("code", pattern=WORD, expected="letters, digits and _")
        name = code or str(place)
        if len(code) > _LONGEST_CODE:
            table.wrong("code", f"must have at most {_LONGEST_CODE} characters")
        elif name in earlier:
            table.wrong("code", "repeats the code of an earlier rule")
        decision = cast(Decision, table.choice("decision", DECISIONS, required=True))
        # Applicants are told why a rule declines.
        reason = table.text("reason", default=None if decision == "decline" else "") or None
        when = _condition(table, scope)
        table.end()
        if when is not None:
            found = list(alternatives(when.source))
            if problem := _never(when, found, earlier):
                table.wrong("when", f"can never apply: {problem}")
            earlier[name] = [{}] if _is_always(when) else found
            rules.append(Rule(code, when, decision, reason))
    return tuple(rules)


def _scope(form: Form) -> Mapping[str, Operand]:
    return {**form.scope, _PROBABILITY: Operand("number", 0.0, 1.0)}


def _key(place: int, content: Mapping[str, Any]) -> str:
    """Name a rule by its code, or by its position from 1 if it has none."""
    code = content.get("code")
    return f"rules.{code}" if isinstance(code, str) and WORD.fullmatch(code) else f"rules[{place + 1}]"


def _condition(table: Table, scope: Mapping[str, Operand]) -> Expression | None:
    source = table.text("when")
    if not source:
        return None
    try:
        condition = Expression(source, scope)
    except ExpressionError as error:
        for problem in error.problems:
            table.wrong("when", f"column {problem.column}: {problem.text}")
        return None
    if condition.kind != "truth":
        table.wrong("when", "is a number, not a condition; compare it with something")
        return None
    return condition


def _is_always(condition: Expression) -> bool:
    return condition.minimum == 1 and not condition.may_be_missing


def _never(condition: Expression, found: list[Alternative], earlier: Mapping[str, list[Alternative]]) -> str | None:
    """Return why a condition can never decide, or None if it can."""
    if condition.maximum == 0 or not found:
        return "no valid application meets the condition"
    for code, one in earlier.items():
        if covers(one, found):
            return f"the earlier rule {code} applies whenever this one would"
    if covers([each for one in earlier.values() for each in one], found):
        return "one of the earlier rules applies whenever this one would"
    return None
