"""`simulate`: realistic traffic for a running service."""

import os
import signal
from random import Random

import click

from loan_api.entrypoints.commands.settings import form_or_exit, settings_or_exit
from loan_api.entrypoints.simulation.applicants import Applicants
from loan_api.entrypoints.simulation.scenarios import SCENARIOS, heavy_batch
from loan_api.entrypoints.simulation.traffic import Service, Traffic
from loan_api.settings import Settings, SettingsError, locate_dataset

_KEY_VARIABLE = "LOAN_API_KEY"
_DESCRIPTIONS = " ".join(f"{name}: {scenario.description}." for name, scenario in SCENARIOS.items())


@click.command(
    help=f"Send applications to a running service. {_DESCRIPTIONS} If {_KEY_VARIABLE} holds an API key with the scopes"
    " `score` and `audit`, their outcomes are reported, too."
)
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), default="steady", show_default=True)
@click.option("--rate", type=click.FloatRange(0.1, 500), default=20.0, show_default=True, help="Requests per second.")
@click.option("--seconds", type=click.FloatRange(1), help="Duration; without it, until Ctrl-C.")
@click.option("--url", help="Address of the service; by default, PORT on this machine.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the random applications.")
def simulate(scenario: str, rate: float, seconds: float | None, url: str | None, seed: int) -> None:
    """Run a scenario until its time is over or the user stops it."""
    settings = settings_or_exit()
    played, random = SCENARIOS[scenario], Random(seed)  # noqa: S311  # no secret
    applicants = _applicants(settings, random)
    service = Service(url or f"http://127.0.0.1:{settings.port}", os.environ.get(_KEY_VARIABLE))
    traffic = Traffic(
        service,
        lambda: played.next_call(applicants, random),
        reports_outcomes=_KEY_VARIABLE in os.environ,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: traffic.stop())
    click.echo(f"{scenario}: {played.description}. {rate:g} requests per second; press Ctrl-C to stop.")
    if _KEY_VARIABLE not in os.environ:
        click.echo(f"Outcomes are not reported because {_KEY_VARIABLE} is not set.")
    traffic.run(rate, seconds, [lambda: heavy_batch(applicants)] * played.pressure)
    for (path, status), count in sorted(traffic.counts.items()):
        click.echo(f"{count:>8}  {path}  {status}")


def _applicants(settings: Settings, random: Random) -> Applicants:
    form = form_or_exit(settings)
    try:
        return Applicants.read(form, locate_dataset(settings), random)
    except (OSError, ValueError, SettingsError) as error:
        raise click.ClickException(f"cannot use the dataset: {error}") from error
