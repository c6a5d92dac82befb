"""Options that choose decisions by time and model version, the same for every command."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from loan_api.formats.timestamps import parse_time


class _Time(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, or a usage error."""
        moment = value if isinstance(value, datetime) else parse_time(value if "T" in value else f"{value}T00:00:00Z")
        if moment is None:
            self.fail("is no time such as 2024-03-13 or 2024-03-13T10:30:00Z", param, ctx)
        return moment


def chosen_decisions(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--from`, `--to` and `--model-version`, handed over as `since`, `until` and `model_version`."""
    for option in (
        click.option("--model-version", metavar="VERSION", help="Only those of this semantic version."),
        click.option("--to", "until", type=_Time(), help="Only those decided before."),
        click.option("--from", "since", type=_Time(), help="Only those decided then or later."),
    ):
        command = option(command)
    return command
