"""`policy check|history`: commands for the authors of credit policies."""

from pathlib import Path

import click

from loan_api.credit.policy import Policy, PolicyError, read_policy
from loan_api.entrypoints.commands.database import database
from loan_api.entrypoints.commands.settings import form_or_exit, settings_or_exit
from loan_api.formats.timestamps import utc_text


@click.group()
def policy() -> None:
    """Check credit policies, and list those that were in force."""


@policy.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Report every error in the policy FILE, by key. Names refer to the form of FEATURES_PATH."""
    checked = policy_or_exit(file)
    click.echo(f"{file} is valid: version {checked.version}, {len(checked.rules)} rules.")


@policy.command()
def history() -> None:
    """List when which policy came into force, the oldest first: time, version, and SHA-256 of the file's text."""
    from loan_api.adapters.storage.policies import activations

    with database() as connection:
        found = activations(connection)
    for each in found:
        what = f"{each.version}  {each.digest}" if each.digest else "none: the model's threshold decides"
        click.echo(f"{utc_text(each.activated_at)}  {what}")
    if not found:
        click.echo("No policy was ever in force.", err=True)


def policy_or_exit(file: Path) -> Policy:
    """Return the policy in the file, or end the command with all of its problems."""
    try:
        return read_policy(file, form_or_exit(settings_or_exit()))
    except PolicyError as error:
        raise click.ClickException("\n".join(f"{file}: {problem}" for problem in error.problems)) from error
