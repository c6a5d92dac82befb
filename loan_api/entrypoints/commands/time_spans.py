"""Options that select decisions by time and model version, shared by several commands."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from loan_api.formats.timestamps import TIME_EXAMPLES, parse_time


class _Time(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time, or fail with a usage error."""
        moment = value if isinstance(value, datetime) else parse_time(value)
        if moment is None:
            self.fail(f"must be {TIME_EXAMPLES}", param, ctx)
        return moment


def _later(context: click.Context, _: click.Parameter, until: datetime | None) -> datetime | None:
    """Reject a span that contains no time at all, which would select nothing without saying why."""
    since = context.params.get("since")
    if since is not None and until is not None and until <= since:
        raise click.BadParameter("must be later than --from")
    return until


def chosen_decisions(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--from`, `--to` and `--model-version`, passed as `since`, `until` and `model_version`."""
    for option in (
        click.option("--model-version", metavar="VERSION", help="Select decisions of this semantic version."),
        click.option(
            "--to",
            "until",
            type=_Time(),
            callback=_later,
            help="Select decisions made before this time or date (UTC).",
        ),
        # Eager, so that it is known when `--to` is checked.
        click.option(
            "--from",
            "since",
            type=_Time(),
            is_eager=True,
            help="Select decisions made at or after this time or date (UTC).",
        ),
    ):
        command = option(command)
    return command
