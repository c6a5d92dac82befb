"""The credit policy: what it decides, every error in it by key, and agreement with a plain interpreter."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from loan_api.adapters.policy.followed import FollowedPolicy
from loan_api.credit.decision import DECISIONS
from loan_api.credit.expressions import Operand
from loan_api.credit.form import Form
from loan_api.credit.policy import Policy, PolicyError, parse_policy, read_policy
from loan_api.entrypoints.commands import cli
from loan_api.scoring.columns import applications_of, columns_of
from tests.support.forms import GERMAN, SHIPPED, SMALL
from tests.support.interpreter import Reference
from tests.support.policies import EXAMPLE, TEN_RULES

BASE = """
version = "1"

[bands]
approve_from = 0.8
refer_from = 0.5

[[rules]]
code = "too_much"
when = "amount > 40_000"
decision = "decline"
reason = "Amount too large"

[[rules]]
code = "renters"
when = "housing == 'rent' and burden > 0.4"
decision = "refer"
"""

Change = Callable[[str], str]


def replaced(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def condition(source: str) -> Change:
    return replaced("amount > 40_000", source)


def added(more: str) -> Change:
    return lambda text: f"{text}\n{more}\n"


def rule(when: str, code: str = "late", lines: str = 'decision = "refer"') -> Change:
    return added(f'[[rules]]\ncode = "{code}"\nwhen = "{when}"\n{lines}')


COVERED = "can never apply: the earlier rule too_much applies whenever this one would"
IMPOSSIBLE = "can never apply: no valid application meets the condition"

INVALID: list[tuple[Change, str]] = [
    (replaced('version = "1"\n', ""), "version: is missing"),
    (replaced('version = "1"', "version = 1"), "version: must be one line of printable text"),
    (replaced('version = "1"', f'version = "{"1" * 65}"'), "version: must have at most 64 characters"),
    (replaced('version = "1"', 'version = "1"\nowner = "me"'), "owner: is not known"),
    (replaced('version = "1"', 'version = "1"\nreviewers = 3'), "reviewers: must be 1 or 2"),
    (replaced('version = "1"', 'version = "1"\nreviewers = true'), "reviewers: must be 1 or 2"),
    (replaced('version = "1"', 'version = "1"\nreviewers = "2"'), "reviewers: must be 1 or 2"),
    (replaced("approve_from = 0.8\n", ""), "bands.approve_from: is missing"),
    (replaced("refer_from = 0.5\n", ""), "bands.refer_from: is missing"),
    (replaced("0.8", "80"), "bands.approve_from: must be a number from 0 to 1"),
    (replaced("0.5", "-0.1"), "bands.refer_from: must be a number from 0 to 1"),
    (replaced("0.8", '"0.8"'), "bands.approve_from: must be a number from 0 to 1"),
    (replaced("0.8", "9" * 5000), "is not valid TOML: a number has too many digits"),
    (lambda text: f"reviewers = 2.0\n{text}", "reviewers: must be 1 or 2"),
    (replaced("0.8", "nan"), "bands.approve_from: must be a number from 0 to 1"),
    (replaced("0.5", "0.9"), "bands.refer_from: must be at most approve_from, 0.8"),
    (replaced("[bands]", "[bands]\ndecline_from = 0"), "bands.decline_from: is not known"),
    (
        lambda text: text.replace("[[rules]]", "[rules]", 1).partition("[[rules]]")[0],
        "rules: must be tables that begin",
    ),
    (replaced('code = "too_much"\n', ""), "rules[1].code: is missing"),
    (replaced('"too_much"', '"too much"'), "rules[1].code: must consist of letters, digits and _"),
    (replaced('"too_much"', "7"), "rules[1].code: must be one line of printable text"),
    (replaced('"too_much"', f'"{"x" * 65}"'), f"rules.{'x' * 65}.code: must have at most 64 characters"),
    (replaced('"renters"', '"too_much"'), "rules.too_much.code: repeats the code of an earlier rule"),
    (replaced('when = "amount > 40_000"\n', ""), "rules.too_much.when: is missing"),
    (replaced('"amount > 40_000"', "true"), "rules.too_much.when: must be one line of printable text"),
    (replaced('decision = "decline"\n', ""), "rules.too_much.decision: is missing; it must be one of approve, refer"),
    (replaced('"decline"', '"reject"'), "rules.too_much.decision: must be one of approve, refer, decline"),
    (replaced('reason = "Amount too large"\n', ""), "rules.too_much.reason: is missing"),
    (replaced('"Amount too large"', "1"), "rules.too_much.reason: must be one line of printable text"),
    (replaced('"refer"', '"refer"\npriority = 1'), "rules.renters.priority: is not known"),
    (condition("income > wealth"), "rules.too_much.when: column 10: wealth is not known here"),
    (condition("amount > '9'"), "rules.too_much.when: column 1: amount and '9' cannot be compared"),
    (condition("housing == 'owned'"), "rules.too_much.when: column 12: 'owned' is not a value of housing"),
    (condition("housing > 'own'"), "rules.too_much.when: column 1: texts have no order; compare them with == != or in"),
    (condition("amount / months"), "rules.too_much.when: is a number, not a condition; compare it with something"),
    (condition("amount >"), "rules.too_much.when: column 9: is not valid syntax"),
    (condition("open(amount) > 1"), "rules.too_much.when: column 1: open is not a function"),
    (condition("amount > 50_001"), f"rules.too_much.when: {IMPOSSIBLE}"),
    (condition("missing(amount)"), f"rules.too_much.when: {IMPOSSIBLE}"),
    (condition("age > 50 and age < 40"), f"rules.too_much.when: {IMPOSSIBLE}"),
    (condition("purpose == 'car' and purpose == 'home'"), f"rules.too_much.when: {IMPOSSIBLE}"),
    (condition("probability > 1"), f"rules.too_much.when: {IMPOSSIBLE}"),
    (condition("amount >= 0.5"), "rules.renters.when: " + COVERED),
    (rule("(amount>40000)"), "rules.late.when: " + COVERED),
    (rule("40_000 < amount"), "rules.late.when: " + COVERED),
    (rule("amount > 45_000"), "rules.late.when: " + COVERED),
    (rule("amount > 40_000 and age < 30"), "rules.late.when: " + COVERED),
    (
        lambda text: rule("income > 9 or age < 20", "two")(rule("age < 30", "one")(rule("income > 8", "zero")(text))),
        "rules.two.when: can never apply: one of the earlier rules applies whenever this one would",
    ),
    (lambda text: text + "#" * 30_000, "has 30"),
    (replaced("[bands]", "[bands"), "is not valid TOML: "),
    (lambda text: text + "".join(rule(f"amount > {n}", f"r{n}")("") for n in range(100)), "rules: has 102 rules; at"),
]


@pytest.mark.parametrize(("change", "expected"), INVALID, ids=[expected[:70] for _, expected in INVALID])
def test_an_error_is_reported_by_key(change: Change, expected: str) -> None:
    parse_policy(BASE, SMALL)
    with pytest.raises(PolicyError) as caught:
        parse_policy(change(BASE), SMALL)
    (problem,) = caught.value.problems
    assert str(problem).startswith(expected)


def test_bands_are_required() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy('version = "1"', SMALL)
    assert [str(problem) for problem in caught.value.problems] == [
        "bands: is missing",
        "bands.approve_from: is missing",
        "bands.refer_from: is missing",
    ]


def test_all_errors_are_reported_at_once() -> None:
    text = BASE.replace('version = "1"', "").replace("0.5", "2").replace("amount >", "sum >").replace("burden", "7")
    with pytest.raises(PolicyError) as caught:
        parse_policy(text + '[[rules]]\ncode = "?"\n', SMALL)
    assert [problem.key for problem in caught.value.problems] == [
        "version",
        "bands.refer_from",
        "rules.too_much.when",
        "rules[3].code",
        "rules[3].decision",
        "rules[3].when",
    ]


@pytest.mark.parametrize(
    "later",
    [
        "amount > 39_999",
        "amount >= 40_000",
        "amount > 40_000 or age < 30",
        "(amount > 40_000) == (age > 20)",
        "not amount > 40_000",
        "amount != 40_000",
        "months * amount > 40_000",
    ],
)
def test_a_rule_that_can_apply_is_not_refused(later: str) -> None:
    assert parse_policy(rule(later)(BASE), SMALL).codes == ("too_much", "renters", "late")


def test_a_missing_condition_does_not_match() -> None:
    policy = parse_policy(condition("not (income > 1000 and age > 30)")(BASE), SMALL)
    applicant = SMALL.example() | {"housing": "own"}
    assert policy.decide(applicant | {"income": 900.0}, 0.9) == ("decline", "too_much")
    assert policy.decide(applicant | {"income": None, "age": 20.0}, 0.9) == ("decline", "too_much")
    assert policy.decide(applicant | {"income": None}, 0.9) == ("approve", None)
    assert policy.decide(applicant, 0.9) == ("approve", None)


@pytest.mark.parametrize(
    ("probability", "decision"), [(0.8, "approve"), (0.79, "refer"), (0.5, "refer"), (0.49, "decline")]
)
def test_the_bands_decide_if_no_rule_applies(probability: float, decision: str) -> None:
    policy = parse_policy(BASE, SMALL)
    assert policy.decide(SMALL.example() | {"housing": "own"}, probability) == (decision, None)


@pytest.mark.parametrize(
    ("when", "applies"), [("young_renter", [True, False, False]), ("not young_renter", [False, True, False])]
)
def test_a_derived_condition_can_be_a_rule_by_itself(when: str, applies: list[bool]) -> None:
    policy = parse_policy(rule(when)(BASE.partition("[[rules]]")[0]), SMALL)
    applications = [SMALL.example() | {"housing": "rent", "age": age} for age in (20, 60, None)]
    assert [policy.decide(each, 0.9).rule == "late" for each in applications] == applies
    columns = columns_of(SMALL, applications)
    assert (policy.decide_columns(columns, np.full(3, 0.9))[1] == 0).tolist() == applies


def test_the_first_rule_that_applies_decides() -> None:
    policy = parse_policy(rule("purpose in ('car', 'used car')", "cars")(BASE), SMALL)
    renter = SMALL.example() | {"housing": "rent", "income": 100.0, "purpose": "car"}
    assert policy.decide(renter, 0.99) == ("refer", "renters")
    assert policy.decide(renter | {"amount": 40_001.0}, 0.99) == ("decline", "too_much")
    assert policy.decide(renter | {"housing": None}, 0.99) == ("refer", "cars")
    assert policy.rules_by_code["too_much"].reason == "Amount too large"
    assert policy.rules_by_code["cars"].reason is None


def test_rules_are_optional_and_so_is_the_band_of_referrals() -> None:
    policy = parse_policy('version = "bare"\n[bands]\napprove_from = 0.5\nrefer_from = 0.5', SMALL)
    assert [policy.decide(SMALL.example(), p)[0] for p in (0.5, 0.49)] == ["approve", "decline"]
    decisions, rules = policy.decide_columns(random_columns(SMALL, 5), np.array([0.1, 0.5, 0.6, 0.4, 0.9]))
    assert [DECISIONS[code] for code in decisions] == ["decline", "approve", "approve", "decline", "approve"]
    assert set(rules.tolist()) == {-1}


def test_a_policy_is_identified_by_its_text() -> None:
    policy, other = parse_policy(BASE, SMALL), parse_policy(BASE + "\n", SMALL)
    assert policy.version == other.version == "1"
    assert (len(policy.digest), policy.digest == other.digest) == (64, False)
    assert (policy.reviewers, parse_policy("reviewers = 2\n" + BASE, SMALL).reviewers) == (1, 2)


@pytest.mark.parametrize(
    ("form", "text", "rows"),
    [
        (SMALL, TEN_RULES, 10_000),
        (SHIPPED, EXAMPLE.read_text(), 10_000),
        pytest.param(SMALL, TEN_RULES, 100_000, marks=pytest.mark.torture),
    ],
    ids=["ten rules", "the example", "many"],
)
def test_columns_single_applications_and_a_plain_interpreter_agree_on_every_decision(
    form: Form, text: str, rows: int
) -> None:
    policy = parse_policy(text, form)
    columns, probabilities = random_columns(form, rows), np.random.default_rng(2).uniform(0, 1, rows)
    decisions, rules = policy.decide_columns(columns, probabilities)
    found = [
        (DECISIONS[decision], policy.codes[place] if place >= 0 else None)
        for decision, place in zip(decisions.tolist(), rules.tolist(), strict=True)
    ]
    assert {code for _, code in found} == {None, *policy.codes}
    assert found == list(reference_decisions(form, text, columns, probabilities))
    applications = applications_of(form, columns, range(rows))
    alone = [policy.decide(*each) for each in zip(applications, probabilities.tolist(), strict=True)]
    assert found == alone


def random_columns(form: Form, rows: int) -> dict[str, NDArray[Any]]:
    """Return random applications; a tenth of the values of optional features is missing."""
    generator = np.random.default_rng(1)
    columns: dict[str, NDArray[Any]] = {}
    for number in form.numbers:
        # Amounts and means of similar size, and whole numbers so that limits are met exactly.
        values = np.rint(generator.uniform(number.minimum, min(number.maximum, 5 * number.example), rows))
        values = np.clip(values, number.minimum, number.maximum)
        values[generator.random(rows) < 0.05] = max(number.minimum, 0)
        columns[number.name] = np.where(generator.random(rows) < 0.1, np.nan, values) if number.optional else values
    for category in form.categories:
        columns[category.name] = generator.integers(-1 if category.optional else 0, len(category.values), rows).astype(
            np.int8
        )
    return columns


class Derived(dict[str, float]):
    """A row whose derived features are computed when they are first needed."""

    def __init__(self, scope: Mapping[str, Operand], formulas: Mapping[str, str], row: Mapping[str, float]) -> None:
        super().__init__(row)
        self._reference = Reference(scope, self)
        self._formulas = formulas

    def __missing__(self, name: str) -> float:
        value = self._reference.value(self._formulas[name])
        self[name] = float("nan") if value is None else value
        return self[name]


def reference_decisions(
    form: Form, text: str, columns: Mapping[str, NDArray[Any]], probabilities: NDArray[np.float64]
) -> Any:
    """Decide row by row, by the text of the policy and of the form's formulas."""
    content = tomllib.loads(text)
    scope = {**form.scope, "probability": Operand("number", 0, 1)}
    formulas = {name: derived["formula"] for name, derived in tomllib.loads(form.text).get("derived", {}).items()}
    names = list(columns)
    for *values, probability in zip(*(columns[name].tolist() for name in names), probabilities.tolist(), strict=True):
        row = Derived(scope, formulas, {**dict(zip(names, values, strict=True)), "probability": probability})
        reference = Reference(scope, row)
        for rule in content["rules"]:
            if reference.value(rule["when"]) == 1:
                yield rule["decision"], rule["code"]
                break
        else:
            bands = content["bands"]
            above = (probability >= bands["refer_from"]) + (probability >= bands["approve_from"])
            yield ("decline", "refer", "approve")[above], None


def test_the_example_is_valid_for_the_shipped_form_only() -> None:
    assert read_policy(EXAMPLE, SHIPPED).version == "2026-11"
    with pytest.raises(PolicyError, match="cibil_score is not known here"):
        read_policy(EXAMPLE, GERMAN)


def test_check_reports_a_valid_policy() -> None:
    result = CliRunner().invoke(cli, ["policy", "check", str(EXAMPLE)])
    assert (result.exit_code, result.output) == (0, f"{EXAMPLE} is valid: version 2026-11, 5 rules.\n")


def test_the_digest_is_that_of_the_service_whatever_the_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert read_policy(file, SMALL).digest == FollowedPolicy(SMALL, file).in_force().digest


def test_check_lists_every_error_and_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('version = ""\n[bands]\napprove_from = 2\n')
    result = CliRunner().invoke(cli, ["policy", "check", str(file)])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"Error: {file}: version: must be one line of printable text",
        f"{file}: bands.approve_from: must be a number from 0 to 1",
        f"{file}: bands.refer_from: is missing",
    ]
    missing = CliRunner().invoke(cli, ["policy", "check", str(tmp_path / "none.toml")])
    assert (missing.exit_code, "the file cannot be read: No such file" in missing.output) == (1, True)


def test_two_policies_do_not_share_state() -> None:
    one: Policy = parse_policy(BASE, SMALL)
    other = parse_policy(BASE.replace("40_000", "10"), SMALL)
    applicant = SMALL.example() | {"housing": "own"}
    assert one.decide(applicant, 0.9) == ("approve", None)
    assert other.decide(applicant, 0.9) == ("decline", "too_much")
