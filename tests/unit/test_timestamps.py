"""Times are parsed by one rule, in the API and on the command line."""

from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from loan_api.entrypoints.commands.time_spans import chosen_decisions
from loan_api.entrypoints.http.audit_requests import decode_search
from loan_api.formats.refusals import RequestRefusedError
from loan_api.formats.timestamps import exact_utc_text, parse_time

VALID = {
    "2026-01-01T00:00:00Z": datetime(2026, 1, 1, tzinfo=UTC),
    "2026-01-01T00:00:00.1Z": datetime(2026, 1, 1, 0, 0, 0, 100_000, tzinfo=UTC),
    "2026-01-01T00:00:00.123456789Z": datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC),
    "2026-01-01T00:00:00.9999999Z": datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC),
    "2026-01-01T05:30:00.000000001+05:30": datetime(2026, 1, 1, tzinfo=UTC),
    "2026-01-01t00:00:00z": datetime(2026, 1, 1, tzinfo=UTC),
    "2016-12-31T23:59:60Z": datetime(2017, 1, 1, tzinfo=UTC),
    "2026-01-01": datetime(2026, 1, 1, tzinfo=UTC),
}
INVALID = [
    "",
    "soon",
    "2026",
    "2026-02-30",
    "2026-1-1",
    "2026-01-01T00:00Z",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00.Z",
    "2026-01-01T24:00:01Z",
    "2026-01-01T00:00:61Z",
    "2026-01-01Z",
    "2026-01-01\n",
    "٢٠٢٦-01-01",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:60Z",
]


@click.command()
@chosen_decisions
def show_since(since: datetime, until: datetime, model_version: str) -> None:
    click.echo(exact_utc_text(since))


@pytest.mark.parametrize(("text", "moment"), VALID.items())
def test_the_api_and_the_command_line_accept_the_same_times(text: str, moment: datetime) -> None:
    # A span from a moment to itself contains no time.
    since, until = (decode_search({name: [text]})[0] for name in ("from", "to"))
    assert (since.since, until.until) == (moment, moment)
    result = CliRunner().invoke(show_since, ["--from", text])
    assert result.output == f"{exact_utc_text(moment)}\n"


@pytest.mark.parametrize("text", INVALID)
def test_the_api_and_the_command_line_reject_the_same_times_and_show_valid_ones(text: str) -> None:
    examples = "a time such as 2024-03-13T10:30:00Z, or a date such as 2024-03-13"
    with pytest.raises(RequestRefusedError) as caught:
        decode_search({"from": [text]})
    assert caught.value.refusals.shown == [{"pointer": "/from", "detail": f"Must be {examples}."}]
    result = CliRunner().invoke(show_since, ["--from", text])
    assert result.exit_code == 2
    assert f"must be {examples}" in " ".join(result.output.split())


@given(st.datetimes(timezones=st.just(UTC)), st.text("0123456789", max_size=12))
def test_further_digits_are_truncated(moment: datetime, digits: str) -> None:
    text = exact_utc_text(moment).removesuffix("Z").rjust(26, "0")
    assert parse_time(f"{text}{digits}Z") == moment


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.integers(-1439, 1439))  # noqa: DTZ001
def test_an_offset_is_converted_to_utc(local: datetime, minutes: int) -> None:
    sign, offset = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{local.isoformat(timespec='microseconds')}{sign}{offset // 60:02}:{offset % 60:02}"
    assert parse_time(text) == local.replace(tzinfo=UTC) - timedelta(minutes=minutes)
