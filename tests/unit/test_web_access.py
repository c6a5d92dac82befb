"""Access to Prometheus and Alertmanager."""

import shutil
import stat
import subprocess
from pathlib import Path

import bcrypt
import pytest
import yaml
from click.testing import CliRunner, Result

from loan_api.entrypoints.commands import cli
from loan_api.settings import PROJECT_ROOT, read_settings
from prometheus.local.configuration import Addresses, write_configuration

TEMPLATE = PROJECT_ROOT / "prometheus" / "web.yml"


def web_access(template: Path, folder: Path) -> Result:
    return CliRunner().invoke(
        cli, ["web-access", str(template), str(folder / "web.yml"), "--password-file", str(folder / "password")]
    )


def test_only_the_password_hash_of_the_copy_differs(tmp_path: Path) -> None:
    result = web_access(TEMPLATE, tmp_path)
    assert result.exit_code == 0, result.output
    password = (tmp_path / "password").read_bytes().strip()
    assert password.decode() not in result.output
    made, given = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in (tmp_path / "web.yml", TEMPLATE))
    assert bcrypt.checkpw(password, made["basic_auth_users"]["prometheus"].encode())
    assert not bcrypt.checkpw(password, given["basic_auth_users"]["prometheus"].encode())
    assert made["http_server_config"] == given["http_server_config"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_a_readable_copy_becomes_private_when_it_is_rewritten(tmp_path: Path) -> None:
    (tmp_path / "web.yml").touch(mode=0o644)
    web_access(TEMPLATE, tmp_path)
    assert stat.S_IMODE((tmp_path / "web.yml").stat().st_mode) == 0o600


def test_make_monitor_writes_private_files(tmp_path: Path) -> None:
    """Include files that an earlier version left readable, as `web.yml` contains a password hash."""
    for name in ("prometheus.yml", "alertmanager.yml", "web.yml"):
        (tmp_path / name).touch(mode=0o644)
    settings = read_settings({"LOAN_HOME": str(tmp_path / "home")})
    write_configuration(settings, Addresses(service=1, prometheus=2, alertmanager=3), tmp_path)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir() if file.is_file()}
    assert modes == dict.fromkeys(("prometheus.yml", "alertmanager.yml", "web.yml", "password"), 0o600)
    made = yaml.safe_load((tmp_path / "web.yml").read_text(encoding="utf-8"))
    password = (tmp_path / "password").read_bytes().strip()
    assert bcrypt.checkpw(password, made["basic_auth_users"]["prometheus"].encode())


def test_an_existing_password_is_kept(tmp_path: Path) -> None:
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
def test_prometheus_accepts_both(tmp_path: Path) -> None:
    web_access(TEMPLATE, tmp_path)
    for file in (TEMPLATE, tmp_path / "web.yml"):
        subprocess.run(["promtool", "check", "web-config", str(file)], check=True, capture_output=True)
