"""Retake the screenshots in the documentation: `python -m tools.screenshots`."""

import signal
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from playwright.sync_api import Browser
from playwright.sync_api import Error as PlaywrightError

from tools.screenshots.browser import MISSING, chromium, started
from tools.screenshots.camera import new_page, take_picture
from tools.screenshots.pictures import FOLDER, PICTURES
from tools.screenshots.processes import StartError
from tools.screenshots.system import System

_ATTEMPTS = 3


@click.command()
@click.option(
    "--only", "names", type=click.Choice(list(PICTURES)), multiple=True, help="Retake only this screenshot; repeatable."
)
def remake(names: tuple[str, ...]) -> None:
    """Retake the screenshots in docs/images from the running system.

    Trains three versions, starts the MLflow UI, the service, Prometheus and Alertmanager in a temporary folder, and
    captures their pages. This takes about 15 minutes, most of it until alerts fire; MLflow and Swagger UI alone take
    about two minutes. Requires chromium, prometheus and alertmanager.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    executable = chromium()
    if executable is None:
        raise click.ClickException(MISSING)
    try:
        with TemporaryDirectory(prefix="screenshots-") as home, ExitStack() as stack:
            system = System(Path(home), stack, click.echo)
            browser = stack.enter_context(started(executable))
            wanted = [name for name in PICTURES if name in (names or PICTURES)]
            missed = [name for name in wanted if not _is_taken(name, browser, system)]
    except StartError as error:
        raise click.ClickException(str(error)) from error
    if missed:
        raise click.ClickException(f"not retaken: {', '.join(missed)}")


def _is_taken(name: str, browser: Browser, system: System) -> bool:
    """Take the picture, retrying once if a page fails. A failure does not affect other pictures."""
    file = FOLDER / f"{name}.png"
    for _ in range(_ATTEMPTS):
        page = new_page(browser, system.credentials)
        try:
            take_picture(PICTURES[name](page, system) or page, file)
        except (AssertionError, PlaywrightError) as error:
            click.echo(f"{name}: {str(error).partition('Aria snapshot')[0]}", err=True)
        else:
            click.echo(f"{file.name}  {file.stat().st_size // 1000} kB")
            return True
        finally:
            page.context.close()
    return False


if __name__ == "__main__":
    remake(prog_name="python -m tools.screenshots")
