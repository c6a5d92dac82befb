"""Looks up every locked package in a source of security advisories; pip-audit does the asking.

A source that is away, or that has no advisories, must not pass for good news: it is first asked about a release that is
known to be bad.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from tools.supply.locks import WIDEST

_KNOWN_BAD = "jinja2==2.4.1"


def source_answers(options: Sequence[str]) -> bool:
    """Whether the source of advisories can be reached and knows of the release that is bad."""
    with tempfile.TemporaryDirectory(prefix="loan-audit-") as folder:
        lock = Path(folder, "known_bad.txt")
        lock.write_text(f"{_KNOWN_BAD}\n", encoding="utf-8")
        told = _pip_audit(lock, "--no-deps", "--format", "json", *options, capture=True)
    try:
        return any(dependency.get("vulns") for dependency in json.loads(told.stdout)["dependencies"])
    except ValueError:
        return False


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--lock", type=click.Path(exists=True, path_type=Path), default=WIDEST, help="What is looked up.")
@click.option("--where-reachable", is_flag=True, help="Pass where the source of advisories cannot be reached.")
@click.argument("options", metavar="[PIP-AUDIT OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def audit(lock: Path, where_reachable: bool, options: tuple[str, ...]) -> None:
    """Fail where an advisory is known of a locked package.

    Exit code 1: there are advisories. 2: the source of advisories cannot be reached.
    """
    if not source_answers(options):
        click.echo("NOT AUDITED: the source of security advisories cannot be reached.", err=True)
        raise SystemExit(0 if where_reachable else 2)
    # Strict, as what cannot be looked up is else passed over.
    raise SystemExit(_pip_audit(lock, "--require-hashes", "--strict", *options).returncode)


def _pip_audit(lock: Path, *options: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Nothing is installed or resolved for it: the lock says all."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", *options]
    command += ["--progress-spinner", "off", "--timeout", "15"]
    return subprocess.run(command, check=False, text=True, capture_output=capture)


if __name__ == "__main__":
    audit(prog_name="python -m tools.supply.audit")
