"""Documented commands that change a database irreversibly, run on a copy; the document tests skip them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from loan_api.home import Home, sqlite_url
from loan_api.settings import PROJECT_ROOT
from tests.support.documents import blocks


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Create a folder with the virtual environment and a new tracking database."""
    (tmp_path / "instance").mkdir()
    MlflowClient(sqlite_url(Home(tmp_path / "instance").tracking_database)).search_experiments()
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run_block(checkout: Path, containing: str) -> None:
    """Run the block of docs/operations.md that contains `containing`."""
    page = PROJECT_ROOT / "docs" / "operations.md"
    (block,) = (block for block in blocks(page) if block.language == "console" and containing in block.content)
    assert block.not_run is not None
    script = "\n".join(command.text for command in block.commands())
    environ = {"PATH": os.environ["PATH"], "HOME": str(checkout)}
    done = subprocess.run(
        ["bash", "-euc", script], cwd=checkout, env=environ, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr


def test_deleted_runs_are_swept_away_and_others_stay(checkout: Path) -> None:
    client = MlflowClient(sqlite_url(Home(checkout / "instance").tracking_database))
    experiment = client.create_experiment("scratch", artifact_location=(checkout / "scratch").as_uri())
    deleted, kept = (client.create_run(experiment).info.run_id for _ in range(2))
    client.log_text(deleted, "text", "file.txt")
    client.delete_run(deleted)
    run_block(checkout, "mlflow gc")
    assert client.get_run(kept).info.lifecycle_stage == "active"
    with pytest.raises(Exception, match=deleted):
        client.get_run(deleted)
    assert not list((checkout / "scratch").rglob("file.txt"))


def test_the_tracking_database_can_be_upgraded(checkout: Path) -> None:
    run_block(checkout, "mlflow db upgrade")
