"""Audit every locked package for security advisories with pip-audit.

An unreachable or empty source of advisories must not pass as a clean result, so a release that is known to be
vulnerable is looked up first.
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
    """Return whether the advisory source is reachable and reports the known vulnerable release."""
    with tempfile.TemporaryDirectory(prefix="loan-audit-") as folder:
        lock = Path(folder, "known_bad.txt")
        lock.write_text(f"{_KNOWN_BAD}\n", encoding="utf-8")
        report = _pip_audit(lock, "--no-deps", "--format", "json", *options, capture=True)
    try:
        return any(dependency.get("vulns") for dependency in json.loads(report.stdout)["dependencies"])
    except ValueError:
        return False


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--lock", type=click.Path(exists=True, path_type=Path), default=WIDEST, help="Lock file to audit.")
@click.option("--where-reachable", is_flag=True, help="Succeed if the advisory source is unreachable.")
@click.argument("options", metavar="[PIP-AUDIT OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def audit(lock: Path, where_reachable: bool, options: tuple[str, ...]) -> None:
    """Fail if there is a security advisory for a locked package.

    Exit codes: 1 if there are advisories, 2 if the advisory source is unreachable.
    """
    if not source_answers(options):
        click.echo("NOT AUDITED: the source of security advisories cannot be reached.", err=True)
        raise SystemExit(0 if where_reachable else 2)
    # Without --strict, pip-audit skips packages that it cannot look up.
    raise SystemExit(_pip_audit(lock, "--require-hashes", "--strict", *options).returncode)


def _pip_audit(lock: Path, *options: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Run pip-audit on the lock, without installing or resolving anything."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", *options]
    command += ["--progress-spinner", "off", "--timeout", "15"]
    return subprocess.run(command, check=False, text=True, capture_output=capture)


if __name__ == "__main__":
    audit(prog_name="python -m tools.supply.audit")
