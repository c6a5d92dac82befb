"""Times on the wire."""

from datetime import UTC, datetime


def utc_text(moment: datetime) -> str:
    """`moment` (aware) as RFC 3339 in UTC, to the second: 2024-03-13T10:30:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
