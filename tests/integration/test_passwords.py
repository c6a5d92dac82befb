"""Passwords in DATABASE_URL and MLFLOW_TRACKING_URI never leak, whatever fails and however much is logged."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from loan_api.adapters.registry.cache import ModelCache
from loan_api.adapters.registry.following import Follower
from loan_api.adapters.registry.mlflow_source import MlflowModels
from loan_api.adapters.storage.database import connected
from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.adapters.storage.migration import upgrade_database
from loan_api.entrypoints.commands import cli
from loan_api.errors import StorageError
from tests.support.homes import run_in_process
from tests.support.postgresql import Server

PASSWORD = "hunter2"
# No listener; an unknown scheme; and an invalid port, which MLflow reports as an internal error.
TRACKING_URIS = [f"http://u:{PASSWORD}@127.0.0.1:1/", f"htp://u:{PASSWORD}@x", f"http://u:{PASSWORD}@127.0.0.1:x/"]


def look(url: str) -> None:
    with connected(url):
        pass


@pytest.mark.parametrize("do", [upgrade_database, lambda url: DecisionWriter(url).write([], []), look])
def test_neither_errors_nor_logs_hold_it(
    postgresql: Server, caplog: pytest.LogCaptureFixture, do: Callable[[str], None]
) -> None:
    caplog.set_level("DEBUG")
    url = postgresql.new_database().replace(":secret@", f":{PASSWORD}@")
    with pytest.raises(StorageError) as raised:
        do(url)
    assert PASSWORD not in "".join(traceback.format_exception(raised.value))
    assert PASSWORD not in caplog.text


def test_migrations_do_not_tell_it(postgresql: Server, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level("DEBUG")
    environ = {"LOAN_HOME": str(tmp_path), "DATABASE_URL": postgresql.new_database()}
    result = CliRunner().invoke(cli, ["init"], env=environ)
    assert (result.exit_code, result.output) == (0, "")
    assert ":secret@" not in caplog.text


@pytest.mark.parametrize("uri", TRACKING_URIS)
@pytest.mark.parametrize(
    "arguments", [["history"], ["rollback"], ["promote"], ["run", "--unless-in-production"], ["diff", "1.0.0", "1.0.1"]]
)
def test_training_does_not_tell_that_of_the_tracking_store(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, uri: str, arguments: list[str]
) -> None:
    caplog.set_level("DEBUG")
    environ = {"LOAN_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    result = run_in_process(environ, *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(("Error: the tracking store at 127.0.0.1:", "Error: MLFLOW_TRACKING_URI "))
    assert PASSWORD not in result.output + caplog.text


@pytest.mark.parametrize("uri", TRACKING_URIS)
def test_nor_does_the_service(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str
) -> None:
    """Check the registry follower's problem, which appears in the log and on /health."""
    caplog.set_level("DEBUG")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    cache = ModelCache.of(tmp_path, uri, "loan_approval_model", "Production")
    with cache.followed():
        Follower(MlflowModels(uri, "loan_approval_model", "Production"), cache).poll()
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json"))
    assert "the model registry cannot be read" in written
    assert PASSWORD not in written + caplog.text
