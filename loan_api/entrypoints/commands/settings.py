"""Settings for commands."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from loan_api.settings import Settings, SettingsError, read_settings


def settings_or_exit(checks: Mapping[str, Callable[[Any], object]] | None = None) -> Settings:
    """Return the settings, or end the command with all problems; `checks` as for `read_settings`."""
    try:
        return read_settings(checks=checks)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
