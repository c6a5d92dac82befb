"""`simulate`: realistic traffic for a running service."""

import os
import signal
from pathlib import Path
from random import Random

import click

from loan_api.entrypoints.commands.settings import settings_or_exit
from loan_api.entrypoints.simulation.applicants import Applicants
from loan_api.entrypoints.simulation.scenarios import SCENARIOS, heavy_batch
from loan_api.entrypoints.simulation.traffic import Service, Traffic
from loan_api.settings import locate_dataset

_KEY_VARIABLE = "LOAN_API_KEY"
_MEANINGS = " ".join(f"{name}: {scenario.meaning}." for name, scenario in SCENARIOS.items())


@click.command(
    help=f"Send applications to a running service. {_MEANINGS} Where {_KEY_VARIABLE} holds an API key with the scopes"
    " `score` and `audit`, what became of them is told, too."
)
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), default="steady", show_default=True)
@click.option("--rate", type=click.FloatRange(0.1, 500), default=20.0, show_default=True, help="Requests a second.")
@click.option("--seconds", type=click.FloatRange(1), help="For how long; until Ctrl-C without it.")
@click.option("--url", help="The service; the one on PORT of this machine by default.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which applications are drawn.")
def simulate(scenario: str, rate: float, seconds: float | None, url: str | None, seed: int) -> None:
    """What the help says."""
    settings = settings_or_exit()
    played, random = SCENARIOS[scenario], Random(seed)  # noqa: S311  # no secret
    applicants = _applicants(locate_dataset(settings.dataset_path), random)
    service = Service(url or f"http://127.0.0.1:{settings.port}", os.environ.get(_KEY_VARIABLE))
    traffic = Traffic(
        service,
        lambda: played.next_call(applicants, random),
        tells_outcomes=_KEY_VARIABLE in os.environ,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: traffic.stop())
    click.echo(f"{scenario}: {played.meaning}. {rate:g} requests a second; Ctrl-C ends it.")
    if _KEY_VARIABLE not in os.environ:
        click.echo(f"No outcomes are told, as {_KEY_VARIABLE} is not set.")
    traffic.run(rate, seconds, [lambda: heavy_batch(applicants)] * played.pressure)
    for (path, status), count in sorted(traffic.counts.items()):
        click.echo(f"{count:>8}  {path}  {status}")


def _applicants(file: Path, random: Random) -> Applicants:
    try:
        return Applicants.read(file, random)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"the data set cannot be used: {error}") from error
