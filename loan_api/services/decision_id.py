"""Ids of decisions: UUIDs of version 7, which begin with the time."""

from datetime import UTC, datetime, timedelta

import uuid_utils

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def new_id(moment: datetime) -> str:
    """An id for what is decided at `moment` (aware), to the millisecond; the rest of it is random.

    Without `moment`, the library would go on from the latest time that it has seen. Where the clock was set back,
    decisions would not be found by their time then.
    """
    return str(uuid_utils.uuid7(nanoseconds=(moment - _EPOCH) // _MICROSECOND * 1000))
