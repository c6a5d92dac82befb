"""The settings that every command starts from."""

import click

from loan_api.settings import Settings, SettingsError, read_settings


def settings_or_exit() -> Settings:
    """The settings; where some are wrong, the command ends and names them."""
    try:
        return read_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
