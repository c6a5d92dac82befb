"""The password in DATABASE_URL stays there, whatever goes wrong and however much is logged."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from loan_api.commands import cli
from loan_api.credit.errors import StorageError
from loan_api.storage.database import connected
from loan_api.storage.decision_writer import DecisionWriter
from loan_api.storage.migration import upgrade_database
from tests.postgresql import Server

PASSWORD = "hunter2"


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
    told = CliRunner().invoke(cli, ["init"], env=environ)
    assert (told.exit_code, told.output) == (0, "")
    assert ":secret@" not in caplog.text
