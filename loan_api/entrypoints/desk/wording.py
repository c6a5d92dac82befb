"""Values as people read them: numbers, probabilities, times, names and descriptions."""

import re
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

_NO_VALUE = "—"
_SMALLEST_GROUPED = 10_000
_LONG_NUMBER = re.compile(r"\d{5,}")
_ALMOST_NEVER = 0.01


def number(value: float | None) -> str:
    """Format a number with a thin space between thousands from 10,000 upward: 9 600 000."""
    if value is None:
        return _NO_VALUE
    exact = f"{value:.15g}"
    if abs(value) < _SMALLEST_GROUPED or "e" in exact:
        return exact.replace("-", "−")
    whole, point, fraction = exact.partition(".")
    return f"{int(whole):,}{point}{fraction}".replace("-", "−").replace(",", "\u202f")


def any_value(value: Any) -> str:
    """Format a feature's value: a number, a text, or a dash for a missing one."""
    return number(value) if isinstance(value, int | float) else _NO_VALUE if value is None else str(value)


def percent(probability: float) -> str:
    """Format a probability as a percentage with one digit, or more if it would look certain: 99.96%, not 100%."""
    is_extreme = not _ALMOST_NEVER <= probability <= 1 - _ALMOST_NEVER
    for digits in range(2 if is_extreme else 1, 6):
        text = f"{probability * 100:.{digits}f}"
        if float(text) not in (0.0, 100.0):
            return f"{text}%"
    return f"{probability * 100:.0f}%"


def points(difference: float) -> str:
    """Format a difference of probabilities in percentage points, with its sign unless it rounds to zero."""
    text = f"{abs(difference) * 100:.1f}"
    return text if float(text) == 0 else f"{'−' if difference < 0 else '+'}{text}"


def time(moment: datetime) -> Markup:
    """Format a time in UTC, with the exact time as an attribute, from which a script adds the local time."""
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), utc.strftime("%-d %b %Y, %H:%M:%S UTC")
    )


def short_time(moment: datetime) -> Markup:
    """Format a time for tables whose caption says that times are in UTC."""
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}"><span>{},</span> {}</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), utc.strftime("%-d %b %Y"), utc.strftime("%H:%M:%S")
    )


def spaced(text: str) -> str:
    """Group the digits of the large numbers in a text."""
    return _LONG_NUMBER.sub(lambda found: number(int(found[0])), text)


def words(name: str) -> str:
    """Turn a name into words: `credit_score` becomes `Credit score`."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def label_and_help(description: str) -> tuple[str, str]:
    """Split a description into its first sentence, a label without its full stop, and the rest, a help text."""
    first, _, rest = description.partition(". ")
    return first.rstrip(". "), rest.strip()


FILTERS = {
    "number": number,
    "any_value": any_value,
    "percent": percent,
    "points": points,
    "time": time,
    "short_time": short_time,
    "words": words,
}
