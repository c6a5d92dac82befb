"""Settings for commands."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from loan_api.credit.form import Form, FormError, read_form
from loan_api.settings import Settings, SettingsError, read_settings


def settings_or_exit(checks: Mapping[str, Callable[[Any], object]] | None = None) -> Settings:
    """Return the settings, or end the command with all problems; `checks` as for `read_settings`."""
    try:
        return read_settings(checks=checks)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def form_or_exit(settings: Settings) -> Form:
    """Return the application form, or end the command with all of its problems."""
    try:
        return read_form(settings.features_path)
    except FormError as error:
        raise click.ClickException(form_complaint(settings.features_path, error)) from error


def form_complaint(file: Path, error: FormError) -> str:
    """Return the problems of the form in `file`, one on each line."""
    return "\n".join(f"{file}: {problem}" for problem in error.problems)
