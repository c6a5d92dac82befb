"""Who may look at Prometheus and Alertmanager."""

import shutil
import subprocess
from pathlib import Path

import bcrypt
import pytest
import yaml
from click.testing import CliRunner, Result

from loan_api.entrypoints.commands import cli
from loan_api.settings import PROJECT_ROOT

TEMPLATE = PROJECT_ROOT / "prometheus" / "web.yml"


def web_access(template: Path, folder: Path) -> Result:
    return CliRunner().invoke(
        cli, ["web-access", str(template), str(folder / "web.yml"), "--password-file", str(folder / "password")]
    )


def test_the_copy_lets_in_who_knows_the_password_and_says_the_same_otherwise(tmp_path: Path) -> None:
    result = web_access(TEMPLATE, tmp_path)
    assert result.exit_code == 0, result.output
    password = (tmp_path / "password").read_bytes().strip()
    assert password.decode() not in result.output
    made, given = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in (tmp_path / "web.yml", TEMPLATE))
    assert bcrypt.checkpw(password, made["basic_auth_users"]["prometheus"].encode())
    assert not bcrypt.checkpw(password, given["basic_auth_users"]["prometheus"].encode())
    assert made["http_server_config"] == given["http_server_config"]
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_a_password_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("chosen\n", encoding="utf-8")
    web_access(TEMPLATE, tmp_path)
    made = yaml.safe_load((tmp_path / "web.yml").read_text(encoding="utf-8"))
    assert bcrypt.checkpw(b"chosen", made["basic_auth_users"]["prometheus"].encode())


def test_a_password_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("ä" * 40, encoding="utf-8")
    result = web_access(TEMPLATE, tmp_path)
    assert result.exit_code == 1
    assert "the password is longer than 72 bytes" in result.output


@pytest.mark.parametrize("content", ["", "[]", "basic_auth_users: {}", "basic_auth_users: [prometheus]", "a: [", "\0"])
def test_a_template_without_a_user_is_refused(content: str, tmp_path: Path) -> None:
    template = tmp_path / "template.yml"
    template.write_text(content, encoding="utf-8")
    result = web_access(template, tmp_path)
    assert result.exit_code == 1
    assert str(template) in result.output
    assert not (tmp_path / "web.yml").exists()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus")
def test_prometheus_takes_both(tmp_path: Path) -> None:
    web_access(TEMPLATE, tmp_path)
    for file in (TEMPLATE, tmp_path / "web.yml"):
        subprocess.run(["promtool", "check", "web-config", str(file)], check=True, capture_output=True)
