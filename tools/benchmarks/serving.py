"""Serving benchmark: `python -m tools.benchmarks.serving`, or `make bench`.

Compares the service, `mlflow models serve` with the same registered model, and a bare Flask view, one at a time.
"""

import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console

from loan_api.credit.form import read_form
from loan_api.settings import PROJECT_ROOT, SHIPPED_FORM
from tools.benchmarks import wrk
from tools.benchmarks.home import Home, HomeError
from tools.benchmarks.machine import describe_machine
from tools.benchmarks.mixed import measure_mixed
from tools.benchmarks.pairs import BATCH, LOG, POLICY, SINGLE, TAIL, measure_pairs, measure_start_pairs
from tools.benchmarks.plan import Plan, quick
from tools.benchmarks.promotion import measure_moves
from tools.benchmarks.reasons import measure_reasons
from tools.benchmarks.report import PageError, show, write_json, write_page
from tools.benchmarks.results import Results
from tools.benchmarks.servers import Server, ServerError, bare_flask, free_port, mlflow, service
from tools.benchmarks.start_up import measure_starts
from tools.benchmarks.ten_rules import ten_rules
from tools.benchmarks.throughput import Material, measure_batches, measure_singles

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


class Benchmark:
    """The named parts of the benchmark, which append their measurements to `results`."""

    def __init__(self, home: Home, plan: Plan, results: Results, port: int, console: Console) -> None:
        self._home = home
        self._plan = plan
        self._results = results
        self._console = console
        self._material = Material.make()
        self._service = service(home, port, results.workers)
        self._unrecorded = service(home, free_port(), results.workers, DECISION_LOG="off")
        policy = home.folder / "policy.toml"
        policy.write_text(ten_rules(read_form(SHIPPED_FORM)), encoding="utf-8")
        self._ruled = service(home, free_port(), results.workers, POLICY_PATH=str(policy))
        self._mlflow = mlflow(home, port, results.workers)
        self._bare = bare_flask(home, port, results.workers)

    @property
    def parts(self) -> dict[str, Callable[[], None]]:
        """Return the parts in execution order."""
        return {
            "single": self._measure_singles,
            "batch": self._measure_batches,
            "mixed": self._measure_mixed,
            "recording": self._measure_recording,
            "policy": self._measure_policy,
            "reasons": self._measure_reasons,
            "promotion": self._measure_moves,
            "start": self._measure_starts,
        }

    def _measure_singles(self) -> None:
        for number in range(self._plan.rounds):
            for server in (self._service, self._mlflow, self._bare):
                self._say(f"single requests, round {number + 1}: {server.name}")
                self._results.singles += measure_singles(server, self._material, self._plan, number)

    def _measure_batches(self) -> None:
        for number in range(self._plan.rounds):
            for server in (self._service, self._mlflow):
                self._say(f"batches, round {number + 1}: {server.name}")
                batches, memory = measure_batches(server, self._material, self._plan, number)
                self._results.batches += batches
                self._results.memory.append(memory)

    def _measure_mixed(self) -> None:
        self._say("single requests on a fixed schedule under batches")
        self._results.mixed += measure_mixed(self._service, self._material, self._plan)

    def _measure_recording(self) -> None:
        self._say("service with and without its decision log")
        self._results.pairs += measure_pairs(
            LOG, self._service, self._unrecorded, [SINGLE, BATCH], self._material, self._plan
        )

    def _measure_policy(self) -> None:
        self._say("service with and without a policy")
        self._results.pairs += measure_pairs(
            POLICY, self._ruled, self._service, [SINGLE, BATCH], self._material, self._plan
        )

    def _measure_reasons(self) -> None:
        self._say("refusals without and with their reasons")
        self._results.reasons += measure_reasons(self._service, self._material, self._plan)

    def measure_against(self, other: Server) -> None:
        """Compare with the service of another checkout."""
        self._say(f"this checkout and {other.folder} in turn")
        compared = f"this checkout against {other.folder.name}"
        self._results.pairs += measure_pairs(
            compared, self._service, other, [SINGLE, BATCH, TAIL], self._material, self._plan
        )
        self._results.pairs += measure_start_pairs(compared, self._service, other, self._plan)

    def _measure_moves(self) -> None:
        self._say("promotion and rollback under full load")
        self._results.moves += measure_moves(self._service, self._home, self._material, self._plan)

    def _measure_starts(self) -> None:
        self._say("starts")
        self._results.starts += measure_starts(self._service, self._mlflow, self._home, self._plan.starts)

    def _say(self, what: str) -> None:
        self._console.print(f"[dim]{what}[/dim]")


PARTS = ("single", "batch", "mixed", "recording", "policy", "reasons", "promotion", "start")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Number of repetitions.")
@click.option("--workers", type=click.IntRange(1), envvar="WEB_CONCURRENCY", default=2, show_default=True)
@click.option(
    "--port", type=click.IntRange(1, 65535), envvar="PORT", help="Port of the servers.  [default: any free port]"
)
@click.option("--candidate", default="random_forest", show_default=True, help="Candidate model to serve.")
@click.option(
    "--home", type=_FOLDER, help="Keep models, databases and logs in this folder.  [default: a temporary folder]"
)
@click.option(
    "--only", metavar="PARTS", help=f"Run only these parts, comma-separated: {', '.join(PARTS)}. Writes no page."
)
@click.option(
    "--against",
    metavar="CHECKOUT",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Only compare with the service of another checkout. Writes no page.",
)
@click.option("--quick", "is_quick", is_flag=True, help="Smoke test with meaningless figures. Writes no page.")
@click.option(
    "--page",
    type=_FILE,
    default=PROJECT_ROOT / "docs" / "benchmarks.md",
    help="Page to update.  [default: docs/benchmarks.md]",
)
@click.option("--json", "json_file", type=_FILE, help="Also write every measurement to this file.")
def main(  # noqa: PLR0917  # click passes them by name
    rounds: int,
    workers: int,
    port: int | None,
    candidate: str,
    home: Path | None,
    only: str | None,
    against: Path | None,
    is_quick: bool,
    page: Path,
    json_file: Path | None,
) -> None:
    """Measure the service side by side with `mlflow models serve` and a bare Flask view."""
    wanted = [name.strip() for name in only.split(",")] if only else list(PARTS)
    if unknown := sorted(set(wanted) - set(PARTS)):
        raise click.BadParameter(
            f"unknown parts: {', '.join(unknown)}; available: {', '.join(PARTS)}", param_hint="--only"
        )
    if (against or {"single", "recording", "policy", "reasons"} & set(wanted)) and not wrk.is_installed():
        raise click.ClickException(wrk.HOW_TO_INSTALL)
    # Exit normally on SIGTERM, so that started processes are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console()
    plan = quick(rounds) if is_quick else Plan(rounds)
    results = Results(describe_machine(wrk.wrk_version() if wrk.is_installed() else "no wrk"), workers, candidate)
    with ExitStack() as stack:
        folder = home or Path(stack.enter_context(TemporaryDirectory(prefix="loan-benchmark-")))
        models = Home(folder.resolve() / candidate, plan.poll_seconds)
        try:
            console.print(f"[dim]training {candidate}, unless it is already registered[/dim]")
            models.prepare(candidate, versions=1 if against else 2)
            benchmark = Benchmark(models, plan, results, port or free_port(), console)
            if against:
                others = Home(folder.resolve() / f"{candidate}-{against.name}", plan.poll_seconds, against)
                others.prepare(candidate, versions=1)
                benchmark.measure_against(service(others, free_port(), workers))
            else:
                for name, measure in benchmark.parts.items():
                    if name in wanted:
                        measure()
        except (HomeError, ServerError, RuntimeError) as error:
            show(results, console)
            raise click.ClickException(str(error)) from error
    show(results, console)
    if json_file:
        write_json(json_file, results)
    if not (only or against or is_quick):
        try:
            write_page(page, results, plan)
        except PageError as error:
            raise click.ClickException(str(error)) from error
        console.print(f"Written to {page}.")


if __name__ == "__main__":
    main()
