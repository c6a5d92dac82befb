"""`decisions export|replay|reasons|purge|settle`: commands for auditors and operators of the decision log."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loan_api.entrypoints.commands.database import database, fail_for, refuse_unknown_version, warn_of_waiting
from loan_api.entrypoints.commands.settings import form_or_exit, settings_or_exit
from loan_api.entrypoints.commands.time_spans import chosen_decisions

if TYPE_CHECKING:
    from loan_api.services.replay import Answer

# Decisions must remain explainable for two years; the last month leaves time to purge.
_KEPT_MONTHS = 25
_MOST_MONTHS = 1200
_PAUSE_SECONDS = 0.05
_LOOK_EVERY_SECONDS = 0.5
_SHOWN_DIFFERENCES = 100


@click.group()
def decisions() -> None:
    """Export, replay, explain or purge recorded decisions, or wait until all are in the database."""


@decisions.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@chosen_decisions
def export(file: Path, since: datetime | None, until: datetime | None, model_version: str | None) -> None:
    """Write decisions to FILE, .parquet or .csv: one row each, rows of batches included, oldest first."""
    from loan_api.adapters.storage.decision_stream import stream
    from loan_api.adapters.storage.export import exporter_for

    export_to = exporter_for(file)
    if export_to is None:
        raise click.BadParameter("must end in .parquet or .csv", param_hint="FILE")
    unreadable: list[str] = []
    form = form_or_exit(settings_or_exit())
    with database() as connection:
        refuse_unknown_version(connection, model_version)
        rows = export_to(form, file, stream(form, connection, since, until, model_version, unreadable.append))
    click.echo(f"{rows} decisions written to {file}.")
    warn_of_waiting()
    fail_for(unreadable)


@decisions.command()
@click.option("--limit", type=click.IntRange(1), help="Replay at most this many.")
@click.option(
    "--with", "other", metavar="VERSION", help="Score with this semantic version instead of the recorded one."
)
@chosen_decisions
@click.pass_context
def replay(
    context: click.Context,
    since: datetime | None,
    until: datetime | None,
    model_version: str | None,
    limit: int | None,
    other: str | None,
) -> None:
    """Score and decide recorded applications again and list every difference; exit with code 1 if there are any.

    Each is decided by the policy that was in force, if that policy fits the form.
    """
    from loan_api.adapters.registry.replay_models import ReplayModels
    from loan_api.adapters.storage.decision_stream import stream
    from loan_api.adapters.storage.policies import ReplayPolicies
    from loan_api.services.replay import replay as replayed

    settings = settings_or_exit()
    form = form_or_exit(settings)
    scored = differing = 0
    unreadable: list[str] = []
    with database() as connection:
        models = ReplayModels(form, settings, other)
        policies = ReplayPolicies(form, connection)
        chunks = stream(form, connection, since, until, model_version, unreadable.append)
        for count, differences in replayed(form, chunks, models.of, policies.of, limit):
            scored += count
            for difference in differences:
                differing += 1
                if differing <= _SHOWN_DIFFERENCES:
                    recorded, again = _answer(difference.recorded), _answer(difference.replayed)
                    click.echo(f"{difference.decision_id}  recorded {recorded}  replayed {again}")
        if not scored:
            refuse_unknown_version(connection, model_version)
    if differing > _SHOWN_DIFFERENCES:
        click.echo(f"… and {differing - _SHOWN_DIFFERENCES} more.")
    for digest in sorted(policies.unusable):
        click.echo(f"Warning: the policy {digest} does not fit the form; its decisions were not compared.", err=True)
    if scored:
        click.echo(f"{scored} decisions replayed, {differing} differences.")
    else:
        click.echo("No matching decision could be replayed: nothing was compared.")
    warn_of_waiting()
    fail_for(unreadable)
    context.exit(1 if differing else 0)


@decisions.command()
@click.option(
    "--out",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Parquet file to write.",
)
@chosen_decisions
def reasons(file: Path, since: datetime | None, until: datetime | None, model_version: str | None) -> None:
    """Write the reasons for all refused decisions to a Parquet file, oldest first.

    An interrupted export resumes where it stopped if you repeat the command with the same options. Exit with code 1
    if some decisions cannot be explained.
    """
    from loan_api.adapters.registry.replay_models import ReplayModels
    from loan_api.adapters.storage.decision_stream import count_decisions, stream
    from loan_api.adapters.storage.policies import ReplayPolicies
    from loan_api.adapters.storage.reasons_export import ReasonsExport
    from loan_api.services.bulk_reasons import explain_refusals

    if file.suffix.lower() != ".parquet":
        raise click.BadParameter("must end in .parquet", param_hint="--out")
    settings = settings_or_exit()
    form = form_or_exit(settings)
    export = ReasonsExport(file, f"{since} {until} {model_version} {form.text}", [group.name for group in form.groups])
    unreadable, unexplained = export.left_out.unreadable, export.left_out.unexplained
    if export.finished:
        click.echo(f"Resuming after {export.rows} decisions that are already explained.")
    with database() as connection:
        models = ReplayModels(form, settings)
        policies = ReplayPolicies(form, connection)
        chunks = stream(form, connection, since, until, model_version, unreadable.append, export.finished)
        total = count_decisions(connection, since, until, model_version, export.finished)
        if not total:
            refuse_unknown_version(connection, model_version)
        with click.progressbar(length=total, label="Decisions examined", file=sys.stderr) as progress:
            rows = export.write(
                explain_refusals(form, chunks, models.attributor_of, policies.of, unexplained), progress.update
            )
    click.echo(f"Reasons for {rows} decisions written to {file}.")
    warn_of_waiting()
    for why, count in unexplained.counts.items():
        click.echo(f"{count} decisions were not explained: {why}", err=True)
    fail_for(unreadable)
    if unexplained.counts:
        raise click.ClickException(f"{sum(unexplained.counts.values())} decisions were not explained.")


@decisions.command()
@click.option(
    "--older-than",
    "months",
    type=click.IntRange(1, _MOST_MONTHS),
    default=_KEPT_MONTHS,
    show_default=True,
    metavar="MONTHS",
    help="Delete decisions made at least this many months ago.",
)
@click.option("--dry-run", is_flag=True, help="Only print their number.")
def purge(months: int, dry_run: bool) -> None:
    """Delete old decisions, with their outcomes and reviews, in small steps, even while the service runs."""
    from loan_api.adapters.storage.purge import PurgeCount, count_older
    from loan_api.adapters.storage.purge import purge as purge_older

    cutoff = months_before(datetime.now(UTC), months)
    with database() as connection:
        count = count_older(connection, cutoff)
        if not dry_run:
            deleted = purge_older(connection, cutoff, lambda: time.sleep(_PAUSE_SECONDS))
            count = sum(deleted, PurgeCount())
    verb = "would be deleted" if dry_run else "deleted"
    click.echo(
        f"{count.singles} single decisions and {count.whole_batches} batches ({count.rows} decisions) from before"
        f" {cutoff:%Y-%m-%d %H:%M} UTC {verb}."
    )
    if count.undecided:
        click.echo(f"Undecided referrals among them: {count.undecided}.")


@decisions.command()
@click.option(
    "--within",
    "seconds",
    type=click.FloatRange(0),
    default=240,
    show_default=True,
    metavar="SECONDS",
    help="Wait at most this long.",
)
def settle(seconds: float) -> None:
    """Wait until the journals in LOAN_HOME are empty; exit with code 1 if they are not in time.

    The running service moves their decisions into the database. They must be empty before the service is stopped for
    good and its disk removed.
    """
    from loan_api.adapters.recording.journal import waiting_journals

    folder = settings_or_exit().home.journals
    deadline = time.monotonic() + seconds
    while waiting := waiting_journals(folder):
        if time.monotonic() >= deadline:
            names = ", ".join(str(path) for path in waiting)
            raise click.ClickException(f"decisions are still waiting for the database after {seconds:g} s: {names}")
        time.sleep(_LOOK_EVERY_SECONDS)


def _answer(answer: "Answer") -> str:
    decision, rule = answer.verdict
    return f"{answer.prediction} ({answer.probability:.9f}) {decision}{f' by {rule}' if rule else ''}"


def months_before(moment: datetime, months: int) -> datetime:
    """Return the same time some months earlier; days after the 28th become the 28th."""
    place = moment.year * 12 + moment.month - 1 - months
    return moment.replace(year=place // 12, month=place % 12 + 1, day=min(moment.day, 28))
