"""`policy check|simulate|history`: commands for authors of credit policies."""

import gc
from datetime import datetime
from pathlib import Path

import click

from loan_api.credit.policy import Policy, PolicyError, read_policy
from loan_api.entrypoints.commands.database import database, fail_for, refuse_unknown_version, warn_of_waiting
from loan_api.entrypoints.commands.settings import form_or_exit, settings_or_exit
from loan_api.entrypoints.commands.time_spans import chosen_decisions
from loan_api.formats.timestamps import utc_text


@click.group()
def policy() -> None:
    """Check credit policies, try them on past decisions, and list those that have been in force."""


@policy.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Report every error in the policy FILE, by key. Names refer to the form of FEATURES_PATH."""
    checked = policy_or_exit(file)
    number = len(checked.rules)
    click.echo(f"{file} is valid: version {checked.version}, {number} rule{'' if number == 1 else 's'}.")


@policy.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--by", "features", multiple=True, metavar="FEATURE", help="Also count by this category; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@chosen_decisions
def simulate(
    file: Path,
    features: tuple[str, ...],
    as_json: bool,
    since: datetime | None,
    until: datetime | None,
    model_version: str | None,
) -> None:
    """Compare the decisions that the policy FILE would have made on recorded applications with the recorded ones.

    The recorded probabilities are used. Counts are broken down by outcome: good (1), bad (0) or unknown.
    """
    from loan_api.adapters.storage.past_decisions import past_decisions
    from loan_api.entrypoints.commands.policy_simulation import json_of, text_of
    from loan_api.services.policy_simulation import simulate as simulated

    simulated_policy = policy_or_exit(file)
    form = simulated_policy.form
    categories = {category.name: category for category in form.categories}
    if unknown := [name for name in features if name not in categories]:
        raise click.BadParameter(f"{unknown[0]} is not a category of the form", param_hint="--by")
    by = [categories[name] for name in dict.fromkeys(features)]
    unreadable: list[str] = []
    # Nothing here creates reference cycles, and searching millions of rows for them takes a quarter of the time.
    gc.disable()
    try:
        with database() as connection:
            needed = {*simulated_policy.needs, *features}
            past = past_decisions(form, needed, connection, since, until, model_version, unreadable.append)
            simulation = simulated(simulated_policy, past, by)
            if not simulation.total:
                refuse_unknown_version(connection, model_version)
    finally:
        gc.enable()
    click.echo(json_of(simulation, since, until) if as_json else text_of(simulation))
    warn_of_waiting()
    fail_for(unreadable)


@policy.command()
def history() -> None:
    """List the policies in the order in which they came into force: time, version, and SHA-256 of the text."""
    from loan_api.adapters.storage.policies import activations

    with database() as connection:
        found = activations(connection)
    for each in found:
        what = f"{each.version}  {each.digest}" if each.digest else "none: the model's threshold decides"
        click.echo(f"{utc_text(each.activated_at)}  {what}")
    if not found:
        click.echo("No policy has ever been in force.", err=True)


def policy_or_exit(file: Path) -> Policy:
    """Return the policy in the file, or end the command with all of its problems."""
    try:
        return read_policy(file, form_or_exit(settings_or_exit()))
    except PolicyError as error:
        raise click.ClickException("\n".join(f"{file}: {problem}" for problem in error.problems)) from error
