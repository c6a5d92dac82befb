"""`policy check`: commands for the authors of credit policies."""

from pathlib import Path

import click

from loan_api.credit.policy import Policy, PolicyError, read_policy
from loan_api.entrypoints.commands.settings import form_or_exit, settings_or_exit


@click.group()
def policy() -> None:
    """Check credit policies."""


@policy.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Report every error in the policy FILE, by key. Names refer to the form of FEATURES_PATH."""
    checked = policy_or_exit(file)
    click.echo(f"{file} is valid: version {checked.version}, {len(checked.rules)} rules.")


def policy_or_exit(file: Path) -> Policy:
    """Return the policy in the file, or end the command with all of its problems."""
    try:
        return read_policy(file, form_or_exit(settings_or_exit()))
    except PolicyError as error:
        raise click.ClickException("\n".join(f"{file}: {problem}" for problem in error.problems)) from error
