"""The command line, `python -m training`."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from loan_api.credit.form import FormError, read_form
from loan_api.secrets import START_CHECKS
from loan_api.settings import SAMPLE_DATASET, SHIPPED_FORM, Settings, SettingsError, read_settings
from training.data.sample import ROWS, SEED, write_sample
from training.errors import GateRefusedError, TrainingError
from training.interruption import Interrupts, is_interruption
from training.registry.versions import champion_version, production_version, semantic_version
from training.tracking.store import connect, experiment_of
from training.tracking.ui import ui_process

DEFAULT_SEED = 42
EXIT_REFUSED = 3
EXIT_INTERRUPTED = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by the promotion gate, 130 interrupted.",
)
def cli() -> None:
    """Train a loan approval model and put it into production."""


@cli.command()
@click.option("--candidates", metavar="NAMES", default="", help="Comma-separated; default: all that are installed.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=DEFAULT_SEED, show_default=True)
@click.option(
    "--jobs", type=click.IntRange(1), default=os.cpu_count(), help="Parallel processes; default: one per CPU."
)
@click.option(
    "--wrong-approval-cost",
    type=click.FloatRange(0.01, 100),
    default=1.0,
    show_default=True,
    help="Cost of a wrong approval, in wrong rejections. Moves the threshold.",
)
@click.option("--unless-in-production", is_flag=True, help="Do nothing if a version is already in Production.")
def run(candidates: str, seed: int, jobs: int, wrong_approval_cost: float, unless_in_production: bool) -> None:
    """Train every candidate, register the best and promote it to Production."""
    with _one_line_errors() as (settings, interrupts):
        if unless_in_production:
            serving = champion_version(connect(settings), settings.model_name)
            if serving is not None:
                number = semantic_version(serving)
                click.echo(f"{settings.model_name} {number} is already in Production; skipping training.")
                return
            click.echo(f"No version of {settings.model_name} is in Production; training one.")
        # These import scikit-learn, which commands that only read the registry do not need.
        from training.console import TrainingConsole
        from training.selection.candidates import select_candidates
        from training.selection.evaluation import Conditions
        from training.workflow import train

        names = [name.strip() for name in candidates.split(",") if name.strip()]
        conditions = Conditions(seed, wrong_approval_cost)
        train(
            settings,
            select_candidates(names),
            TrainingConsole(),
            conditions=conditions,
            jobs=jobs,
            interrupts=interrupts,
        )


@cli.command()
@click.argument("version", required=False)
@click.option(
    "--despite-broken-champion",
    is_flag=True,
    help="Promote without the comparison if the champion cannot be run on the holdout.",
)
def promote(version: str | None, *, despite_broken_champion: bool) -> None:
    """Promote VERSION, or the newest version, through the gate.

    VERSION is a semantic version or the registry's number.
    """
    with _one_line_errors() as (settings, interrupts):
        from training import workflow
        from training.console import TrainingConsole

        workflow.promote(
            settings, version, TrainingConsole(), interrupts, despite_broken_champion=despite_broken_champion
        )


@cli.command()
def rollback() -> None:
    """Restore the previous Production version."""
    with _one_line_errors() as (settings, interrupts):
        from training import workflow
        from training.console import TrainingConsole

        workflow.rollback(settings, TrainingConsole(), interrupts)


@cli.command()
def history() -> None:
    """Show which version was in Production when."""
    with _one_line_errors() as (settings, _):
        from training.console import TrainingConsole
        from training.registry.promotion import current_history, unsettled

        client = connect(settings)
        events = current_history(client, settings.model_name)
        console = TrainingConsole()
        if events:
            serving = production_version(client, settings.model_name)
            console.show_history(events, still_serving=serving is not None)
        else:
            console.say(f"No version of {settings.model_name} has been in Production.")
        if unsettled(client, settings.model_name):
            console.warn(
                "A promotion was interrupted or made outside this tool. The next promote, rollback or run repairs it."
            )


@cli.command()
@click.argument("before", metavar="RUN")
@click.argument("after", metavar="RUN")
def diff(before: str, after: str) -> None:
    """Show how two training runs differ in data, parameters and metrics.

    RUN is a run id, its beginning, or the semantic version that the run registered.
    """
    with _one_line_errors() as (settings, _):
        from training.console import TrainingConsole
        from training.tracking.comparison import compare_runs, find_run

        client = connect(settings)
        runs = [find_run(client, settings.model_name, experiment_of(settings), wanted) for wanted in (before, after)]
        TrainingConsole().show_differences(compare_runs(client, *runs))


@cli.command()
def ui() -> None:
    """Open the MLflow UI on the port after the service's."""
    with _one_line_errors() as (settings, _):
        connect(settings)
    click.echo(f"MLflow UI on http://localhost:{settings.port + 1}; Ctrl-C stops it.")
    command, environ = ui_process(settings, os.environ)
    os.execve(command[0], command, environ)  # noqa: S606  # without a shell


@cli.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), default=SAMPLE_DATASET, show_default=True)
@click.option("--rows", type=click.IntRange(100, 1_000_000), default=ROWS, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=SEED, show_default=True)
def sample(output: Path, rows: int, seed: int) -> None:
    """Write a synthetic dataset. The same rows and seed give the same bytes."""
    with _one_line_errors():
        write_sample(read_form(SHIPPED_FORM), output, rows=rows, seed=seed)
    click.echo(f"Wrote {rows} synthetic applications to {output}.")


@cli.group()
def form() -> None:
    """Check an application form, or draft one from a dataset."""


@form.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def check(file: Path) -> None:
    """Report every error in the form FILE, by key."""
    try:
        checked = read_form(file)
    except FormError as error:
        raise click.ClickException("\n".join(f"{file}: {problem}" for problem in error.problems)) from error
    click.echo(f"{file} is valid: {checked.title}, {len(checked.features)} features, {len(checked.derived)} derived.")
    for name in checked.unconstrainable:
        click.echo(f"derived.{name}: models leave it out, because it would undermine an effect in its formula")


@form.command()
@click.argument("file", metavar="DATA.csv", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--outcome", required=True, metavar="COLUMN", help="Column with the outcome.")
@click.option("--approved", required=True, metavar="VALUE", help="Its value that means approved.")
@click.option("--rejected", required=True, metavar="VALUE", help="Its value that means rejected.")
def draft(file: Path, outcome: str, approved: str, rejected: str) -> None:
    """Print a draft form for the applications in DATA.csv, for editing."""
    from training.data.draft import draft_form

    try:
        click.echo(draft_form(file, outcome, approved, rejected), nl=False)
    except TrainingError as error:
        raise click.ClickException(str(error)) from error


class _Stopped(click.ClickException):
    """An error with its own exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # a class variable in click, read from the instance


@contextmanager
def _one_line_errors() -> Iterator[tuple[Settings, Interrupts]]:
    """Yield the settings and interrupts of a command; turn every error into one line and an exit code."""
    interrupts = Interrupts()
    interrupts.listen()
    tracking_uri = ""
    try:
        settings = read_settings(checks=START_CHECKS)
        tracking_uri = settings.mlflow_tracking_uri
        # Even the default name of the model depends on the form.
        read_form(settings.features_path)
        yield settings, interrupts
    except BaseException as error:
        raise _click_error(error, tracking_uri) from error


def _click_error(error: BaseException, tracking_uri: str) -> BaseException:
    """Return the error as click prints it."""
    if is_interruption(error):
        return _Stopped("interrupted; the registry is unchanged", EXIT_INTERRUPTED)
    if isinstance(error, GateRefusedError):
        return _Stopped(str(error), EXIT_REFUSED)
    if isinstance(error, FormError | SettingsError | TrainingError):
        return click.ClickException(str(error))
    if isinstance(error, MlflowException | SQLAlchemyError):
        return click.ClickException(f"the tracking store cannot be used: {_reason(error, tracking_uri)}")
    if isinstance(error, OSError):
        return click.ClickException(f"{error.filename or 'a file'} cannot be used: {error.strerror}")
    # A defect. Show the stack without the message, because libraries quote the values that they fail on.
    click.echo("".join(traceback.format_tb(error.__traceback__)), err=True, nl=False)
    return click.ClickException(f"unexpected {type(error).__name__}; its stack is shown above")


def _reason(error: BaseException, tracking_uri: str) -> str:
    """Return the error's first line, or only its type if the tracking address may contain a password."""
    if "@" not in tracking_uri and "?" not in tracking_uri:
        return str(error).partition("\n")[0]
    first = error
    while cause := first.__cause__ or first.__context__:
        first = cause
    kinds = dict.fromkeys(type(each).__name__ for each in (error, first))
    return f"{' after '.join(kinds)} (details are withheld because MLFLOW_TRACKING_URI may contain a password)"
