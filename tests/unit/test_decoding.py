"""Accept fast, explain slowly: the C decoder and the schema accept the same bodies with equal values."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form, parse_form
from loan_api.formats.applications import FAST_REFUSALS, ApplicationCodec, parse_json
from loan_api.formats.refusals import MalformedBodyError, RequestRefusedError
from loan_api.scoring.columns import Application
from tests.support.applications import application
from tests.support.forms import GERMAN, SHIPPED, SMALL, SMALL_TEXT

CODEC = ApplicationCodec(SHIPPED)


def fast(body: bytes, codec: ApplicationCodec = CODEC) -> Application | None:
    try:
        return msgspec.structs.asdict(codec.fast.decode(body))
    except FAST_REFUSALS:
        return None


def slow(body: bytes, codec: ApplicationCodec = CODEC) -> Application | None:
    try:
        return codec.explained(parse_json(body))
    except (MalformedBodyError, RequestRefusedError):
        return None


def around(feature: Feature) -> st.SearchStrategy[Any]:
    """Return values that are valid, almost valid, or of any other kind."""
    anything = st.one_of(
        st.none(), st.booleans(), st.text(max_size=5), st.floats(), st.integers(), st.lists(st.integers(), max_size=2)
    )
    if isinstance(feature, CategoryFeature):
        return st.one_of(st.sampled_from(feature.values), st.sampled_from(["", "graduate", "Yes ", "no"]), anything)
    low, high = int(feature.minimum), int(feature.maximum)
    numbers = st.one_of(
        st.integers(low - 2, high + 2),
        st.floats(low - 1, high + 1),
        st.integers(low, high).map(float),
        st.sampled_from([-0.0, 5e-324, 1e308, 10**40, 2**53 + 1]),
    )
    return st.one_of(numbers, numbers, numbers, anything)


@st.composite
def bodies(draw: st.DrawFn, form: Form) -> bytes:
    """Draw a valid application with a few fields replaced, removed or added."""
    drawn: dict[str, Any] = form.example()
    for feature in draw(st.lists(st.sampled_from(form.features), max_size=4)):
        drawn[feature.name] = draw(around(feature))
    for name in draw(st.lists(st.sampled_from([*drawn]), max_size=2, unique=True)):
        del drawn[name]
    if draw(st.integers(0, 9)) == 0:
        drawn[draw(st.text(max_size=4))] = 1
    return json.dumps(drawn, indent=draw(st.sampled_from([None, 1])), ensure_ascii=draw(st.booleans())).encode()


@pytest.mark.parametrize("form", [SHIPPED, SMALL, GERMAN], ids=lambda form: form.name)
def test_both_accept_the_same_bodies_with_equal_values(form: Form) -> None:
    codec = ApplicationCodec(form)

    @settings(max_examples=300, deadline=None)
    @given(bodies(form))
    def check(body: bytes) -> None:
        decoded = fast(body, codec)
        assert decoded == slow(body, codec)
        if decoded is not None:
            assert set(decoded) == set(form.names)
            for feature in form.features:
                kind = str if isinstance(feature, CategoryFeature) else float
                assert type(decoded[feature.name]) is kind or (feature.optional and decoded[feature.name] is None)

    check()


@pytest.mark.parametrize("name", ["income", "age", "housing"])
def test_both_read_an_absent_optional_value_as_null(name: str) -> None:
    codec = ApplicationCodec(SMALL)
    absent = {key: value for key, value in SMALL.example().items() if key != name}
    for given_body in (absent, absent | {name: None}):
        body = json.dumps(given_body).encode()
        assert fast(body, codec) == slow(body, codec) == absent | {name: None}


@pytest.mark.parametrize("name", ["amount", "months", "purpose"])
def test_both_refuse_a_null_that_is_not_optional(name: str) -> None:
    codec = ApplicationCodec(SMALL)
    body = json.dumps(SMALL.example() | {name: None}).encode()
    assert fast(body, codec) is slow(body, codec) is None


@pytest.mark.parametrize(
    "name",
    ["self", "cls", "fields", "load", "dump", "context", "opts", "error_messages", "instances", "mro", "e", "meta"],
)
def test_a_feature_may_have_any_name_that_the_form_accepts(name: str) -> None:
    text = SMALL_TEXT.replace("[features.amount]", f"[features.{name}]").replace("amount / months", f"{name} / months")
    form = parse_form(text)
    codec = ApplicationCodec(form)
    body = json.dumps(form.example()).encode()
    assert fast(body, codec) == slow(body, codec) == form.example()


NUMBERS_AS_TEXT = [
    "5", "5.0", "5e0", "50e-1", "0.5E1", "5.7", "05", "+5", "5.", ".5", "1e400", "-0", "-0.0", "1e-400", "NaN",
    "Infinity", "-Infinity", "0x5", "1_0", "5 5", "true", "null", '"5"', "[5]", "{}", "4.999999999999999999999",
    "1" * 400, "2.0000000000000000000000000001",
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS_AS_TEXT)
@pytest.mark.parametrize("name", ["no_of_dependents", "luxury_assets_value"])
def test_both_read_every_spelling_of_a_number_alike(name: str, number: str) -> None:
    body = json.dumps(application(**{name: 0})).replace(f'"{name}": 0', f'"{name}": {number}').encode()
    assert fast(body) == slow(body)


@given(st.floats(0, 10**12), st.sampled_from(["r", "e", ".17g", ".25f"]))
@example(0.1 + 0.2, ".25f")
def test_both_read_a_fraction_to_the_same_bit(value: float, form: str) -> None:
    text = repr(value) if form == "r" else format(value, form)
    body = json.dumps(application(bank_asset_value=0)).replace('"bank_asset_value": 0', f'"bank_asset_value": {text}')
    decoded = fast(body.encode())
    assert decoded == slow(body.encode())
    assert decoded is None or decoded["bank_asset_value"] == float(text)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_application_are_refused_by_both(body: bytes) -> None:
    assert fast(body) is None
    assert slow(body) is None


@pytest.mark.parametrize(
    ("first", "second", "accepted"), [("1", "2", True), ('"x"', "2", True), ("2", '"x"', False), ("99", "2", True)]
)
def test_of_a_field_that_comes_twice_the_last_counts(first: str, second: str, accepted: bool) -> None:
    body = json.dumps(application(no_of_dependents=0))
    body = body.replace('"no_of_dependents": 0', f'"no_of_dependents": {first}, "no_of_dependents": {second}')
    if not accepted:
        with pytest.raises(RequestRefusedError):
            CODEC.decode(body.encode())
    else:
        assert CODEC.decode(body.encode())["no_of_dependents"] == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_what_only_the_schema_can_read_is_accepted_all_the_same(encoding: str) -> None:
    body = json.dumps(application()).encode(encoding)
    assert CODEC.decode(body) == slow(json.dumps(application()).encode())


@given(st.integers(0, 400), st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\xc3", b"\x00", b'"', b"\\"]))
def test_bytes_put_in_anywhere_never_lead_to_anything_but_a_refusal(place: int, wrong: bytes) -> None:
    body = json.dumps(application()).encode()
    damaged = body[:place] + wrong + body[place:]
    assert fast(damaged) == slow(damaged)
    with pytest.raises((MalformedBodyError, RequestRefusedError)):
        CODEC.decode(damaged)
