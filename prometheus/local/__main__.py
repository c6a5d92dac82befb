"""`python -m prometheus.local`: watch the service on this machine until Ctrl-C."""

import signal
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import click

from loan_api.settings import Settings, SettingsError, read_settings
from prometheus.local.configuration import USER, Addresses, write_configuration
from prometheus.local.programs import ProgramError, alertmanager_program, exclusive_use, prometheus_program, running

_PORT = click.IntRange(1, 65535)
_POLL_SECONDS = 0.5


@click.command()
@click.option("--prometheus-port", type=_PORT, default=9090, envvar="PROMETHEUS_PORT", show_default=True)
@click.option("--alertmanager-port", type=_PORT, default=9093, envvar="ALERTMANAGER_PORT", show_default=True)
def monitor(prometheus_port: int, alertmanager_port: int) -> None:
    """Run Prometheus and Alertmanager with the project's configuration against the service on PORT, until Ctrl-C."""
    # SIGHUP: closing the terminal stops both programs, too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        settings = read_settings()
        folder = settings.home.monitor
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive_use(folder) as lock:
            _run(settings, Addresses(settings.port, prometheus_port, alertmanager_port), folder, lock)
    except (SettingsError, ProgramError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _run(settings: Settings, addresses: Addresses, folder: Path, lock: int) -> None:
    write_configuration(settings, addresses, folder)
    programs = {
        "alertmanager.log": alertmanager_program(folder, addresses.alertmanager),
        "prometheus.log": prometheus_program(folder, addresses.prometheus),
    }
    with ExitStack() as stack:
        processes = [stack.enter_context(running(program, folder / log, lock)) for log, program in programs.items()]
        _announce(settings, addresses, folder)
        while all(process.poll() is None for process in processes):
            time.sleep(_POLL_SECONDS)
        raise ProgramError(f"Prometheus or Alertmanager has stopped; their logs are in {folder}")


def _announce(settings: Settings, addresses: Addresses, folder: Path) -> None:
    service = f"http://localhost:{settings.port}"
    click.echo(
        f"""
Prometheus and Alertmanager watch the service on {service}. Ctrl-C stops them.

  Prometheus     http://localhost:{addresses.prometheus}
  Alertmanager   http://localhost:{addresses.alertmanager}
  Sign in as {USER} with the password in {folder / "password"}

To see an alert fire after about twelve minutes:

  .venv/bin/python -m loan_api simulate --scenario drift --seconds 900
"""
    )
    if not _is_alive(service):
        click.echo(f"Nothing answers on {service} yet; `make run` starts the service.\n")


def _is_alive(service: str) -> bool:
    try:
        with urllib.request.urlopen(f"{service}/health/live", timeout=5):  # noqa: S310  # our own http URL
            return True
    except OSError:
        return False


if __name__ == "__main__":
    monitor(prog_name="python -m prometheus.local")
