"""Ids of decisions: UUIDs of version 7, which begin with the time."""

from datetime import UTC, datetime, timedelta

import uuid_utils

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def new_id(moment: datetime) -> str:
    """Return an id for a decision made at `moment` (aware): its milliseconds, then random bits.

    Without a time, the library would continue from the latest one it has seen, so that after the clock was set back,
    decisions could not be found by their time.
    """
    return str(uuid_utils.uuid7(nanoseconds=(moment - _EPOCH) // _MICROSECOND * 1000))
