"""The application form: what is derived from it, and every error in it by key."""

import csv
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from loan_api.credit.features import CategoryFeature, NumberFeature, describe
from loan_api.credit.form import Form, FormError, parse_form, read_form
from loan_api.formats.applications import ApplicationCodec
from loan_api.settings import SAMPLE_DATASET, SHIPPED_FORM
from tests.support.forms import GERMAN, SHIPPED, SMALL, SMALL_TEXT

every_form = pytest.mark.parametrize("form", [SHIPPED, GERMAN, SMALL], ids=lambda form: form.name)

BASE = """
[form]
name = "loans"

[outcome]
column = "result"
approved = "good"
rejected = "bad"

[dataset]
identifier = "id"
ignored = ["phone"]

[features.amount]
type = "number"
description = "The amount."
minimum = 1
maximum = 1000

[features.months]
type = "integer"
description = "The term."
minimum = 1
maximum = 60
effect = "decreasing"

[features.housing]
type = "category"
description = "Housing."
values = ["own", "rent", "free"]

[derived.rate]
formula = "amount / months"
description = "The rate."
"""

Change = Callable[[str], str]


def replaced(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def added(more: str) -> Change:
    return lambda text: f"{text}\n{more}\n"


def in_table(header: str, line: str) -> Change:
    return replaced(f"[{header}]\n", f"[{header}]\n{line}\n")


CHOICES = '["own", "rent", "free"]'
NAMES = (
    "the name must start with a letter, consist of letters, digits and _, have at most 64 characters, and not be a word"
    " of Python"
)
CONTRADICTION = (
    "contradicts the effects of the features in its formula: with them it does not always move the approval probability"
    " in this direction"
)
RESERVED = "the name is reserved; choose another one, and rename the column of the dataset"


def feature(name: str, lines: str = 'type = "integer"\ndescription = "It."\nminimum = 0\nmaximum = 9') -> Change:
    return added(f"[features.{name}]\n{lines}")


INVALID: list[tuple[Change, str]] = [
    (replaced('name = "loans"\n', ""), "form.name: is missing"),
    (replaced('"loans"', '"my loans"'), "form.name: must consist of letters, digits and _"),
    (replaced('"loans"', "7"), "form.name: must be one line of printable text"),
    (replaced('"loans"', '""'), "form.name: must be one line of printable text"),
    (in_table("form", 'colour = "red"'), "form.colour: is not known"),
    (in_table("form", 'title = "a\\u0007b"'), "form.title: must be one line of printable text"),
    (in_table("form", f'title = "{"x" * 501}"'), "form.title: must have at most 500 characters"),
    (replaced('[form]\nname = "loans"\n', ""), "form: is missing"),
    (replaced('[form]\nname = "loans"\n', "form = 1\n"), "form: must be a table"),
    (replaced('column = "result"\n', ""), "outcome.column: is missing"),
    (replaced('approved = "good"\n', ""), "outcome.approved: is missing"),
    (replaced('"good"', "1"), "outcome.approved: must be a text or a list of texts"),
    (replaced('"good"', '["good", "good"]'), "outcome.approved: repeats 'good'"),
    (replaced('"good"', "[]"), "outcome.approved: must not be empty"),
    (replaced('"bad"', '" "'), "outcome.rejected: must not be empty"),
    (replaced('"bad"', '["bad", "good"]'), "outcome.rejected: repeats 'good', which means approved"),
    (replaced('"result"', '"months"'), "outcome.column: months is also a feature: the model would know it"),
    (replaced('"id"', '"amount"'), "dataset.identifier: amount is also a feature"),
    (replaced('"id"', '"result"'), "dataset.identifier: result is also the outcome"),
    (replaced('["phone"]', '["amount"]'), "dataset.ignored: amount is also a feature"),
    (replaced('["phone"]', '["result"]'), "dataset.ignored: result is also the outcome"),
    (replaced('["phone"]', '["id"]'), "dataset.ignored: id is also the identifier"),
    (replaced('["phone"]', '"phone"'), "dataset.ignored: must be a list of texts"),
    (in_table("dataset", "missing = [1]"), "dataset.missing: must be a list of texts"),
    (added("[data]"), "data: is not known"),
    (feature("x", ""), "features.x.type: is missing; it must be one of integer, number, category"),
    (replaced('type = "number"', 'type = "text"'), "features.amount.type: must be one of integer, number, category"),
    (replaced('description = "The amount."\n', ""), "features.amount.description: is missing"),
    (replaced("minimum = 1\nmaximum = 1000", "maximum = 1000"), "features.amount.minimum: is missing"),
    (replaced("maximum = 1000", 'maximum = "1000"'), "features.amount.maximum: must be a number from -1e30 to 1e30"),
    (replaced("maximum = 1000", "maximum = inf"), "features.amount.maximum: must be a number from -1e30 to 1e30"),
    (replaced("maximum = 1000", "maximum = nan"), "features.amount.maximum: must be a number from -1e30 to 1e30"),
    (replaced("maximum = 1000", "maximum = true"), "features.amount.maximum: must be a number from -1e30 to 1e30"),
    (
        replaced("maximum = 1000", f"maximum = 1{'0' * 400}"),
        "features.amount.maximum: must be a number from -1e30 to 1e30",
    ),
    (replaced("maximum = 1000", "maximum = 1"), "features.amount.maximum: must be greater than the minimum, 1"),
    (
        replaced("maximum = 60", "maximum = 60.5"),
        "features.months.maximum: must be a whole number, like the feature's values",
    ),
    (
        replaced("maximum = 60", f"maximum = {2**53 + 2}"),
        "features.months.maximum: must be at most ±9007199254740992: larger whole numbers are not exact",
    ),
    (in_table("features.amount", "example = 0"), "features.amount.example: must lie between 1 and 1000"),
    (
        in_table("features.months", "example = 1.5"),
        "features.months.example: must be a whole number, like the feature's values",
    ),
    (in_table("features.amount", "bins = [1]"), "features.amount.bins: must be at least two ascending edges"),
    (in_table("features.amount", "bins = [5, 1]"), "features.amount.bins: must be at least two ascending edges"),
    (
        in_table("features.amount", 'bins = ["a", "b"]'),
        "features.amount.bins: must be a list of numbers from -1e30 to 1e30",
    ),
    (in_table("features.amount", "bins = 5"), "features.amount.bins: must be a list of numbers from -1e30 to 1e30"),
    (in_table("features.amount", 'effect = "up"'), "features.amount.effect: must be one of increasing, decreasing"),
    (in_table("features.amount", 'optional = "yes"'), "features.amount.optional: must be true or false"),
    (in_table("features.amount", "actionable = 1"), "features.amount.actionable: must be true or false"),
    (in_table("features.amount", 'group = "a b"'), "features.amount.group: must consist of letters, digits and _"),
    (in_table("features.amount", "values = []"), "features.amount.values: is not known"),
    (in_table("features.amount", "minimun = 1"), "features.amount.minimun: is not known"),
    (replaced(f"values = {CHOICES}\n", ""), "features.housing.values: is missing"),
    (replaced(CHOICES, "[]"), "features.housing.values: must not be empty"),
    (replaced(CHOICES, '["own"]'), "features.housing.values: must be 2 to 127 texts; there are 1"),
    (
        replaced(CHOICES, str([f"v{number}" for number in range(128)])),
        "features.housing.values: must be 2 to 127 texts; there are 128",
    ),
    (replaced(CHOICES, '["own", "own"]'), "features.housing.values: repeats 'own'"),
    (replaced(CHOICES, '["own", 2]'), "features.housing.values: must be a list of texts"),
    (
        replaced(CHOICES, '["own", " rent"]'),
        "features.housing.values: must be printable texts without spaces around them",
    ),
    (replaced(CHOICES, '["own", ""]'), "features.housing.values: must be printable texts without spaces around them"),
    (in_table("features.housing", 'example = "boat"'), "features.housing.example: must be one of own, rent, free"),
    (
        in_table("features.housing", 'folds = { boat = "own" }'),
        "features.housing.folds.boat: must map one of the values onto another one",
    ),
    (
        in_table("features.housing", 'folds = { own = "boat" }'),
        "features.housing.folds.own: must map one of the values onto another one",
    ),
    (
        in_table("features.housing", 'folds = { own = "rent", rent = "free" }'),
        "features.housing.folds.own: must not map onto 'rent', which is folded itself",
    ),
    (in_table("features.housing", 'folds = "own"'), "features.housing.folds: must be a table of values"),
    (in_table("features.housing", "minimum = 1"), "features.housing.minimum: does not apply to a category"),
    (in_table("features.housing", 'effect = "increasing"'), "features.housing.effect: does not apply to a category"),
    (feature('"my feature"'), f"features.my feature: {NAMES}"),
    (feature("class"), f"features.class: {NAMES}"),
    (feature("_x"), f"features._x: {NAMES}"),
    (feature("x" * 65), f"features.{'x' * 65}: {NAMES}"),
    (feature("probability"), f"features.probability: {RESERVED}"),
    (feature("Meta"), f"features.Meta: {RESERVED}"),
    (feature("max"), f"features.max: {RESERVED}"),
    (replaced("[features.amount]", "[features]\nx = 1\n[features.amount]"), "features.x: must be a table"),
    (replaced('formula = "amount / months"\n', ""), "derived.rate.formula: is missing"),
    (replaced("amount / months", "amount / term"), "derived.rate.formula: column 10: term is not known here"),
    (
        replaced("amount / months", "amount /"),
        "derived.rate.formula: column 9: is not valid syntax (invalid syntax)",
    ),
    (
        replaced("amount / months", "housing == 'boat'"),
        "derived.rate.formula: column 12: 'boat' is not a value of housing",
    ),
    (
        replaced("amount / months", "housing"),
        "derived.rate.formula: column 1: must be a number or a condition, not a text",
    ),
    (replaced("amount / months", "1 + 1"), "derived.rate.formula: uses no feature"),
    (in_table("derived.rate", "minimum = 1"), "derived.rate.minimum: is not known"),
    (replaced("[derived.rate]", "[derived.amount]"), "derived.amount: the name is taken by a feature"),
    (
        replaced("[derived.rate]", '[derived.early]\nformula = "rate + 1"\ndescription = "Early."\n[derived.rate]'),
        "derived.early.formula: column 1: rate is not known here",
    ),
    (
        in_table("derived.rate", 'effect = "decreasing"'),
        f"derived.rate.effect: {CONTRADICTION}",
    ),
]


@pytest.mark.parametrize(("change", "problem"), INVALID, ids=[problem for _, problem in INVALID])
def test_an_error_is_named_by_its_key(change: Change, problem: str) -> None:
    assert parse_form(BASE).name == "loans"
    with pytest.raises(FormError) as error:
        parse_form(change(BASE))
    assert problem in map(str, error.value.problems)
    # Nothing else is wrong, except that a missing table lacks its keys, too.
    assert len(error.value.problems) <= 1 + problem.startswith(("form: ", "features.x"))


def test_all_errors_come_at_once() -> None:
    text = BASE
    for change in (
        replaced('"loans"', '"my loans"'),
        replaced('"bad"', '"good"'),
        replaced("maximum = 1000", "maximum = 0"),
        replaced(CHOICES, '["own"]'),
        replaced("amount / months", "amount / term + debts"),
        added("[extra]"),
    ):
        text = change(text)
    with pytest.raises(FormError) as error:
        parse_form(text)
    assert str(error.value).splitlines() == [
        "form.name: must consist of letters, digits and _",
        "outcome.rejected: repeats 'good', which means approved",
        "features.amount.maximum: must be greater than the minimum, 1",
        "features.housing.values: must be 2 to 127 texts; there are 1",
        "derived.rate.formula: column 10: term is not known here",
        "derived.rate.formula: column 17: debts is not known here",
        "extra: is not known",
    ]


@pytest.mark.parametrize(
    "change",
    [
        replaced('type = "number"', 'type = "text"'),
        replaced("amount / months", "amount / zero"),
        replaced(CHOICES, "[]"),
    ],
    ids=["no type", "a wrong formula", "no values"],
)
def test_an_error_does_not_cause_others_in_formulas(change: Change) -> None:
    text = BASE + '[derived.twice]\nformula = "2 * rate"\ndescription = "It."\n'
    text += '[derived.owner]\nformula = "housing == \'own\' and months > 5"\ndescription = "It."\n'
    text += '[derived.old_owner]\nformula = "owner and rate > 5"\ndescription = "It."\n'
    text = change(text)
    with pytest.raises(FormError) as error:
        parse_form(text)
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[form", "is not valid TOML: "),
        ("[form]\nname = 1\nname = 2", "is not valid TOML: "),
        ("x = " + "[" * 5000, "is not valid TOML: "),
    ],
    ids=["cut off", "a key twice", "deeply nested"],
)
def test_what_is_not_toml_is_one_error(text: str, problem: str) -> None:
    with pytest.raises(FormError) as error:
        parse_form(text)
    (found,) = error.value.problems
    assert found.key == ""
    assert found.text.startswith(problem)


def test_an_empty_form_lacks_its_tables() -> None:
    with pytest.raises(FormError) as error:
        parse_form("")
    assert {"form: is missing", "outcome: is missing", "features: must hold at least one table"} <= set(
        map(str, error.value.problems)
    )


def test_a_form_may_have_two_hundred_features() -> None:
    def with_features(count: int) -> str:
        lines = 'type = "integer"\ndescription = "It."\nminimum = 0\nmaximum = 9\n'
        head = BASE.partition("[features.amount]")[0]
        return head + "".join(f"[features.f{number}]\n{lines}" for number in range(count))

    assert len(parse_form(with_features(200)).features) == 200
    with pytest.raises(FormError, match=r"^features: has 201 features; at most 200 are supported$"):
        parse_form(with_features(201))


def test_a_file_that_cannot_be_read_is_an_error_of_the_form(tmp_path: Path) -> None:
    with pytest.raises(FormError, match=r"^the file cannot be read: No such file or directory$"):
        read_form(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('[form]\nname = "Kredit für alle"'.encode("latin1"))
    with pytest.raises(FormError, match=r"^the file is not UTF-8 text$"):
        read_form(tmp_path / "latin.toml")


def test_the_shipped_form_has_the_columns_of_the_dataset_in_its_order() -> None:
    with SAMPLE_DATASET.open(encoding="utf-8") as file:
        header = [name.strip() for name in next(csv.reader(file))]
    assert header == [SHIPPED.dataset.identifier, *SHIPPED.names, SHIPPED.outcome.column]
    assert len(SHIPPED.features) == 11


def test_models_from_before_there_were_forms_are_still_served() -> None:
    """Pin the digest of the shipped form, as another one means another form, whose models are refused."""
    assert SHIPPED.digest == "779d6e22ac4d63d8c1bd4a333220fd3cf4b4aa9c691a4a446edebcb3b757119e"


@every_form
def test_the_example_is_valid(form: Form) -> None:
    assert ApplicationCodec(form).explained(form.example()) == form.example()


@every_form
def test_names_numbers_categories_and_codes_follow_the_features(form: Form) -> None:
    assert form.names == tuple(feature.name for feature in form.features)
    assert len(form.numbers) + len(form.categories) == len(form.features)
    assert [each for each in form.features if isinstance(each, NumberFeature)] == list(form.numbers)
    assert [each for each in form.features if isinstance(each, CategoryFeature)] == list(form.categories)
    for category in form.categories:
        codes = form.codes[category.name]
        assert [codes[value] for value in category.values] == list(range(len(category.values)))
        assert (None in codes) == category.optional
        assert set(category.folds.values()) <= set(category.trained_values)


@every_form
def test_a_form_survives_pickling(form: Form) -> None:
    copy = pickle.loads(pickle.dumps(form))
    assert copy.text == form.text
    assert copy.digest == form.digest
    assert copy.features == form.features
    assert copy.derivation() == form.derivation()


def test_the_german_form_is_read() -> None:
    assert GERMAN.name == "german_credit"
    assert GERMAN.outcome.approved == ("good",)
    assert GERMAN.dataset.ignored == ("personal_status_and_sex", "foreign_worker", "telephone")
    assert len(GERMAN.features) == 17
    assert [derived.name for derived in GERMAN.derived] == ["monthly_amount"]
    housing = next(category for category in GERMAN.categories if category.name == "housing")
    assert housing.values == ("own", "rent", "for free")
    assert housing.example == "own"


def test_defaults_fill_what_a_form_leaves_out() -> None:
    form = parse_form(BASE)
    assert form.title == "Loans"
    assert form.dataset.missing == {""}
    amount, months, housing = form.features
    assert isinstance(amount, NumberFeature)
    assert isinstance(months, NumberFeature)
    assert isinstance(housing, CategoryFeature)
    assert (amount.unit, amount.bins, amount.effect, amount.example) == ("", None, None, 500)
    assert (months.whole, months.example) == (True, 30)
    assert (amount.group, amount.reason, amount.optional, amount.actionable) == ("amount", None, False, False)
    assert housing.example == "own"
    assert form.derived[0].group == "rate"


@pytest.mark.parametrize(
    ("minimum", "maximum", "example"),
    [(1, 1_000_000, 1000), (0, 10, 5), (-5, 5, 0), (0.001, 0.002, 0.0015), (0.12345, 0.12346, 0.123455), (2, 3, 2.5)],
)
def test_a_number_without_an_example_gets_a_typical_one(minimum: float, maximum: float, example: float) -> None:
    text = BASE.replace("minimum = 1\nmaximum = 1000", f"minimum = {minimum}\nmaximum = {maximum}")
    (amount, *_) = parse_form(text).numbers
    assert amount.example == pytest.approx(example)
    assert minimum <= amount.example <= maximum


@pytest.mark.parametrize(
    "change",
    [
        replaced("minimum = 0.5", "minimum = 0.25"),
        replaced("maximum = 84", "maximum = 96"),
        replaced('unit = "euros"', 'unit = "dollars"'),
        replaced('["own", "rent"]', '["rent", "own"]'),
        replaced('folds = { "used car" = "car" }', 'folds = { "used car" = "other" }'),
        replaced('type = "integer"', 'type = "number"'),
        replaced("[features.age]", "[features.years]"),
        replaced("example = 40\noptional = true", "example = 40"),
    ],
)
def test_the_digest_changes_with_the_meaning_of_the_features(change: Change) -> None:
    changed = change(SMALL_TEXT).replace("age < 30", "months < 30")
    assert parse_form(changed).digest != SMALL.digest


@pytest.mark.parametrize(
    "change",
    [
        replaced('title = "Small loans"', 'title = "Loans"'),
        replaced('description = "The amount applied for."', 'description = "The amount."'),
        replaced("example = 1200.5", "example = 1"),
        replaced("bins = [0, 1_000, 2_000, 4_000, 8_000]", "bins = [0, 5_000]"),
        replaced('effect = "decreasing"\n', ""),
        replaced('group = "size"', 'group = "amount"'),
        replaced("amount / months", "2 * amount / months"),
        replaced("maximum = 100_000", "maximum = 100_000.0"),
        replaced('identifier = "number"', 'identifier = "key"'),
        added("# A comment."),
    ],
)
def test_the_digest_does_not_change_with_anything_else(change: Change) -> None:
    assert parse_form(change(SMALL_TEXT)).digest == SMALL.digest


def test_a_derived_feature_takes_over_the_effects_of_its_features() -> None:
    """A rate rises with the amount, which lowers the probability, so the rate must lower it, too."""
    assert SMALL.constraints == {"amount": -1, "income": 1, "months": 0, "age": 0, "rate": -1, "young_renter": 0}
    assert SMALL.unconstrainable == ("burden", "unknown_income")
    assert SHIPPED.constraints["cibil_score"] == 1
    assert SHIPPED.unconstrainable == ()
    assert {name for name, sign in SHIPPED.constraints.items() if sign} == {"cibil_score"}


@pytest.mark.parametrize(
    ("formula", "sign"),
    [
        ("amount * 2", 1),
        ("-amount", -1),
        ("1 / amount", -1),
        ("amount + income", 1),
        ("amount - debt", 1),
        ("amount - income", None),
        ("amount + debt", None),
        ("amount > 5", 1),
        ("amount == 5", None),
        ("amount - amount", None),
        ("plain * 2", 0),
        ("plain * amount", 1),
        ("(plain - 50) * amount", None),
        ("abs(plain - 50)", 0),
        ("missing(amount)", None),
        ("step + debt * -1", 1),
        ("step + debt", None),
        ("housing == 'own' and amount > 5", 1),
    ],
)
def test_the_effect_of_a_formula_is_inferred(formula: str, sign: int | None) -> None:
    numbers = {"amount": "increasing", "income": "increasing", "debt": "decreasing", "plain": None}
    text = BASE.partition("[features.amount]")[0]
    for name, effect in numbers.items():
        text += f'[features.{name}]\ntype = "number"\ndescription = "It."\nminimum = 1\nmaximum = 100\n'
        text += f'effect = "{effect}"\n' if effect else ""
    text += f'[features.housing]\ntype = "category"\ndescription = "It."\nvalues = {CHOICES}\n'
    text += '[derived.step]\ndescription = "It."\nformula = "amount * 2"\n'
    form = parse_form(text + f'[derived.last]\ndescription = "It."\nformula = "{formula}"\n')
    assert form.constraints.get("last") == sign
    assert ("last" in form.unconstrainable) == (sign is None)
    if sign:
        agreeing, contradicting = ("increasing", "decreasing")[:: 1 if sign == 1 else -1]
        ending = f'[derived.last]\ndescription = "It."\nformula = "{formula}"\neffect = '
        assert parse_form(f'{text}{ending}"{agreeing}"\n').constraints["last"] == sign
        with pytest.raises(FormError, match=r"^derived\.last\.effect: contradicts"):
            parse_form(f'{text}{ending}"{contradicting}"\n')


def test_an_own_effect_constrains_a_formula_over_free_features() -> None:
    form = parse_form(
        BASE.replace("effect", "# effect").replace("[derived.rate]", '[derived.rate]\neffect = "decreasing"')
    )
    assert form.constraints == {"amount": 0, "months": 0, "rate": -1}


def test_a_text_cannot_mean_missing_and_be_a_value() -> None:
    missing = '[dataset]\nmissing = ["NA", "no checking account"]\n'
    with pytest.raises(FormError) as caught:
        parse_form(GERMAN.text.replace("[dataset]\n", missing))
    assert str(caught.value).endswith("'no checking account' is also a value of status_of_existing_checking_account")


def test_a_form_is_limited_in_size() -> None:
    with pytest.raises(FormError, match="at most 30000 are supported"):
        parse_form(SHIPPED.text + "#" * 30_000)


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "form.toml"
    file.write_text(SHIPPED.text, encoding="utf-8-sig")
    assert read_form(file).digest == SHIPPED.digest


def test_a_feature_is_described_in_plain_values() -> None:
    described = {each["name"]: each for each in map(describe, SMALL.features)}
    assert described["amount"] == {
        "name": "amount",
        "description": "The amount applied for.",
        "group": "size",
        "optional": False,
        "actionable": True,
        "type": "number",
        "unit": "euros",
        "minimum": 0.5,
        "maximum": 50_000.25,
        "effect": "decreasing",
    }
    assert described["months"]["type"] == "integer"
    assert described["housing"]["allowed_values"] == ["own", "rent"]
    assert described["housing"]["optional"]


def test_texts_may_contain_any_printable_character() -> None:
    text = BASE.replace(CHOICES, '["für \\"alle\\"", "日本", "a,b"]').replace("The amount", "Höhe: 100 % –")
    form = parse_form(text)
    assert form.categories[0].values == ('für "alle"', "日本", "a,b")
    assert form.features[0].description == "Höhe: 100 % –."


def test_the_shipped_form_is_the_default() -> None:
    assert read_form(SHIPPED_FORM).text == SHIPPED.text
