"""A decision id contains its timestamp and is unique, whatever the clock does."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from loan_api.adapters.storage.ids import first_id
from loan_api.services.decision_id import new_id
from tests.support.fakes import NOW

A_DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2262, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_ids_of_a_millisecond_lie_between_it_and_the_next(moment: datetime) -> None:
    made = new_id(moment)
    assert UUID(made).version == 7
    assert first_id(moment) <= made < first_id(moment + MILLISECOND)


def test_a_clock_that_is_set_back_is_followed_back() -> None:
    ahead, back = new_id(NOW + A_DAY), new_id(NOW - A_DAY)
    assert back < first_id(NOW) < ahead


def test_no_id_is_given_twice_where_the_clock_goes_through_the_same_time_again() -> None:
    assert len({new_id(NOW) for _ in range(10_000)}) == 10_000
