"""`python -m loan_api keys`: only data on standard output, and clear errors."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loan_api.adapters.keys.file import read_keys
from loan_api.entrypoints.commands import cli
from loan_api.services.access import digest_of
from loan_api.settings import PROJECT_ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def run(path: Path | None, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["keys", *arguments], env={"API_KEYS_FILE": str(path or "")})


def test_add_prints_the_key_alone_and_keeps_its_hash(path: Path) -> None:
    result = run(path, "add", "web-shop", "--scope", "audit", "--scope", "score")
    assert result.exit_code == 0
    key = result.stdout.removesuffix("\n")
    assert re.fullmatch(r"loan_[\w-]{43}", key)
    assert key not in result.stderr
    assert str(path) in result.stderr
    (kept,) = read_keys(path)
    assert (kept.name, kept.scopes, kept.digest) == ("web-shop", ("score", "audit"), digest_of(key))


def test_list_shows_names_scopes_and_since_when(path: Path) -> None:
    run(path, "add", "web-shop", "--scope", "score")
    run(path, "add", "boss", "--scope", "admin", "--scope", "audit")
    result = run(path, "list")
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(f"web-shop  score        {time}\nboss      audit,admin  {time}\n", result.stdout)


def test_remove_takes_a_key_out(path: Path) -> None:
    run(path, "add", "web-shop", "--scope", "score")
    result = run(path, "remove", "web-shop")
    assert (result.exit_code, result.stdout) == (0, "")
    result = run(path, "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "all requests that require one are refused" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["add", "web-shop"], "--scope"),
        (["add", "web-shop", "--scope", "root"], "'root' is not one of"),
        (["add", "web shop", "--scope", "score"], "a name consists"),
        (["add"], "NAME"),
        (["list"], "does not exist"),
        (["remove", "web-shop"], "does not exist"),
    ],
)
def test_invalid_arguments_are_explained(path: Path, arguments: list[str], problem: str) -> None:
    result = run(path, *arguments)
    assert result.exit_code != 0
    assert problem in result.stderr
    assert result.stdout == ""
    assert not path.exists()


@pytest.mark.parametrize("arguments", [["add", "x", "--scope", "score"], ["list"], ["remove", "x"]])
def test_the_missing_setting_is_named(arguments: list[str]) -> None:
    result = run(None, *arguments)
    assert result.exit_code == 1
    assert "API_KEYS_FILE is not set" in result.stderr


def test_a_name_that_is_taken_is_refused(path: Path) -> None:
    run(path, "add", "web-shop", "--scope", "score")
    result = run(path, "add", "web-shop", "--scope", "score")
    assert result.exit_code == 1
    assert "a key named web-shop already exists" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["init", "serve"])
def test_the_service_does_not_start_with_a_broken_file(path: Path, tmp_path: Path, command: str) -> None:
    path.write_text("nonsense", encoding="utf-8")
    result = CliRunner().invoke(cli, [command], env={"API_KEYS_FILE": str(path), "LOAN_HOME": str(tmp_path / "home")})
    assert result.exit_code == 1
    assert f"API_KEYS_FILE names {path}, which is unusable: it is not JSON" in result.stderr
    assert list((tmp_path / "home").rglob("*")) == []


def test_the_commands_of_the_document_run(path: Path) -> None:
    """Run `docs/access.md` from its first command to its last."""
    document = (PROJECT_ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    commands = re.findall(r"python -m loan_api keys ([^#\n|>]*)", document)
    assert {command.split()[0] for command in commands} == {"add", "list", "remove"}
    for command in commands:
        result = run(path, *command.split())
        assert result.exit_code == 0, result.stderr
