"""Times as text, in the API and on the command line."""

import re
from datetime import UTC, datetime, timedelta

# Completes an error message such as "Must be".
TIME_EXAMPLES = "a time such as 2024-03-13T10:30:00Z, or a date such as 2024-03-13"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_RFC_3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}):(\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)
_LEAP_SECOND = "60"


def utc_text(moment: datetime) -> str:
    """Format an aware time as RFC 3339 in UTC, to the second: 2024-03-13T10:30:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_utc_text(moment: datetime) -> str:
    """Format an aware time as RFC 3339 in UTC, to the microsecond: 2024-03-13T10:30:00.000000Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime | None:
    """Return the time (aware, UTC) of an RFC 3339 date-time or of midnight UTC on a date, or None if it is neither.

    Fractions of a second are truncated to microseconds. A leap second becomes the second after it.
    """
    if _DATE.fullmatch(text):
        text += "T00:00:00Z"
    found = _RFC_3339.fullmatch(text)
    if found is None:
        return None
    minute, second, fraction, offset = found.groups(default="")
    leap = second == _LEAP_SECOND
    exact = f"{minute}:{'59' if leap else second}.{fraction[:6]:0<6}{offset}"
    try:
        return (datetime.fromisoformat(exact.upper()) + timedelta(seconds=leap)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
