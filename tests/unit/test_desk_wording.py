"""How the desk writes numbers, probabilities and descriptions."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.entrypoints.desk.wording import label_and_help, number, percent, points, short_time, spaced, time, words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (9_999, "9999"),
        (10_000, "10 000"),
        (-100_000, "−100 000"),
        (1234567.25, "1 234 567.25"),
        (0.1 + 0.2, "0.3"),
        (-0.5, "−0.5"),
        (1e30, "1e+30"),
        (None, "—"),
    ],
)
def test_numbers_are_grouped_from_ten_thousand_upward(value: float | None, text: str) -> None:
    assert number(value).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.5, "50.0"),
        (0.0123, "1.2"),
        (0.00036, "0.04"),
        (0.9996, "99.96"),
        (0.99999, "99.999"),
        (0.0, "0"),
        (1.0, "100"),
    ],
)
def test_a_probability_has_one_digit_unless_it_would_look_certain(probability: float, text: str) -> None:
    assert percent(probability) == f"{text}%"


@given(st.floats(1e-6, 1 - 1e-6))
def test_what_is_uncertain_never_looks_certain(probability: float) -> None:
    assert 0 < float(percent(probability).removesuffix("%")) < 100


@pytest.mark.parametrize(("difference", "text"), [(0.612, "+61.2"), (-0.05, "−5.0"), (-1e-9, "0.0"), (0, "0.0")])
def test_differences_have_a_sign_unless_they_round_to_zero(difference: float, text: str) -> None:
    assert points(difference) == text


def test_times_are_in_utc_and_exact_for_programs() -> None:
    moment = datetime(2024, 3, 3, 1, 30, 0, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert time(moment) == '<time datetime="2024-03-02T20:00:00.000005Z">2 Mar 2024, 20:00:00 UTC</time>'
    assert "20:00:00</time>" in short_time(moment.astimezone(UTC))


@pytest.mark.parametrize(
    ("description", "label", "help_text"),
    [
        ("The amount applied for.", "The amount applied for", ""),
        ("Education. The data has two kinds. Both count.", "Education", "The data has two kinds. Both count."),
        ("Without a full stop", "Without a full stop", ""),
    ],
)
def test_the_first_sentence_of_a_description_is_the_label(description: str, label: str, help_text: str) -> None:
    assert label_and_help(description) == (label, help_text)


def test_names_become_words_and_large_numbers_in_texts_are_grouped() -> None:
    assert words("credit_score") == "Credit score"
    assert spaced("from 1 to 1000000, 9999 of 2024").replace("\u202f", " ") == "from 1 to 1 000 000, 9999 of 2024"
