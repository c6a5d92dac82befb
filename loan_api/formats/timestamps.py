"""Times on the wire."""

import re
from datetime import UTC, datetime

_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def utc_text(moment: datetime) -> str:
    """`moment` (aware) as RFC 3339 in UTC, to the second: 2024-03-13T10:30:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_utc_text(moment: datetime) -> str:
    """`moment` (aware) as RFC 3339 in UTC, to the microsecond: 2024-03-13T10:30:00.000000Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime | None:
    """The moment (aware, UTC) that an RFC 3339 text names; None where it names none."""
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
