"""Schemathesis against a running service: every response conforms to the OpenAPI document."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loan_api.settings import PROJECT_ROOT
from tests.support.service import ClosedService

pytestmark = pytest.mark.torture

CONFIGURATION = Path(__file__).parent / "conformance" / "schemathesis.toml"


def assert_conforms(closed: ClosedService, folder: Path, *options: str) -> None:
    """Check that Schemathesis passes. A failure shows the request and the seed that reproduces it."""
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIGURATION),
            *("run", closed.service.url("/openapi.json"), *options),
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(PROJECT_ROOT),
            "SCHEMATHESIS_KEY": closed.key,
            "SCHEMATHESIS_METRICS_PASSWORD": closed.service.credentials[1],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, "\n".join(line[:1000] for line in finished.stdout.splitlines()) + finished.stderr
    assert re.search(r"Selected: (\d+)/\1\n", finished.stdout), finished.stdout
    assert not [line for line in closed.service.log_lines if line["level"] == "ERROR"]


def test_valid_and_invalid_requests_are_answered_as_documented(closed_service: ClosedService, tmp_path: Path) -> None:
    assert_conforms(closed_service, tmp_path, "--seed", "1", "--max-examples", "8")


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_thousands_of_requests_are_answered_as_documented(closed_service: ClosedService, tmp_path: Path) -> None:
    assert_conforms(closed_service, tmp_path, "--max-examples", "200")
