"""`python -m training`: the command line of everything that makes a model."""

import os
import sys
from pathlib import Path

import click
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from loan_api.scoring.package import TAG_SEMANTIC_VERSION
from loan_api.settings import SettingsError, read_settings
from training.dataset import SAMPLE_PATH
from training.errors import TrainingError
from training.promotion import production_version
from training.sample import ROWS, SEED, write_sample
from training.tracking import connect

DEFAULT_SEED = 42


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Train a loan approval model and put it into production."""


@cli.command()
@click.option("--candidates", metavar="NAMES", default="", help="Comma-separated; every installed one by default.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=DEFAULT_SEED, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), help="Processes; one for every CPU by default.")
@click.option("--unless-in-production", is_flag=True, help="Do nothing where a version is in Production already.")
def run(candidates: str, seed: int, jobs: int, unless_in_production: bool) -> None:
    """Ingest the dataset, evaluate every candidate, register the best and promote it to Production."""
    try:
        settings = read_settings()
        if unless_in_production:
            serving = production_version(connect(settings), settings.model_name)
            if serving is not None:
                semantic_version = serving.tags[TAG_SEMANTIC_VERSION]
                click.echo(f"{settings.model_name} {semantic_version} is in Production; nothing to train.")
                return
            click.echo(f"Nothing is in Production as {settings.model_name}; training a model.")
        # These pull in scikit-learn, which a look at the registry does not need.
        from training.candidates import select_candidates
        from training.console import TrainingConsole
        from training.run import train

        names = [name.strip() for name in candidates.split(",") if name.strip()]
        train(settings, select_candidates(names), TrainingConsole(), seed=seed, jobs=jobs)
    except (SettingsError, TrainingError) as error:
        raise click.ClickException(str(error)) from error
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise click.ClickException(f"the tracking store cannot be used: {reason}") from error


@cli.command()
def ui() -> None:
    """Open the MLflow UI on the tracking store, on the port after the service's."""
    try:
        settings = read_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    connect(settings)
    port = str(settings.port + 1)
    click.echo(f"MLflow UI on http://localhost:{port}; Ctrl-C stops it.")
    store = ("--backend-store-uri", settings.mlflow_tracking_uri, "--artifacts-destination", settings.artifacts_path)
    command = (
        sys.executable,
        "-m",
        "mlflow",
        "ui",
        "--host",
        "127.0.0.1",
        "--port",
        port,
        "--workers",
        "1",
        *map(str, store),
    )
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


@cli.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), default=SAMPLE_PATH, show_default=True)
@click.option("--rows", type=click.IntRange(100, 1_000_000), default=ROWS, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=SEED, show_default=True)
def sample(output: Path, rows: int, seed: int) -> None:
    """Write the synthetic dataset. The same rows and seed give the same bytes."""
    write_sample(output, rows=rows, seed=seed)
    click.echo(f"Wrote {rows} synthetic applications to {output}.")
