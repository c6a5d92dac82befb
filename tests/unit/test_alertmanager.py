"""Alertmanager's configuration is valid and routes each alert to the right receiver."""

import re
import shutil
import subprocess

import pytest

from tests.support.alertmanager import CONFIGURATION, HOW_TO_INSTALL, SECRETS_FOLDER

pytestmark = pytest.mark.skipif(shutil.which("amtool") is None, reason=HOW_TO_INSTALL)


def amtool(*words: str) -> str:
    done = subprocess.run(["amtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_valid() -> None:
    assert "SUCCESS" in amtool("check-config", str(CONFIGURATION))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=LoanApiInstanceDown", "severity=page", "job=loan_api"], "pager"),
        (["alertname=LoanModelFeatureDrift", "severity=ticket", "job=loan_api"], "ticket"),
        (["alertname=Watchdog", "severity=none"], "dead_mans_switch"),
        (["alertname=Watchdog", "severity=page"], "dead_mans_switch"),
        (["alertname=LoanApiNews", "severity=none"], "nobody"),
        (["alertname=LoanApiOfUnknownSeverity", "severity=urgent"], "ticket"),
        (["alertname=LoanApiWithoutSeverity"], "ticket"),
    ],
)
def test_an_alert_goes_to_the_right_receiver(labels: list[str], receiver: str) -> None:
    amtool("config", "routes", "test", f"--config.file={CONFIGURATION}", f"--verify.receivers={receiver}", *labels)


def test_every_secret_is_read_from_a_file() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    assert not re.findall(r"^ *-? *(?:\w*(?:password|token|_key|credentials|secret)):", text, re.MULTILINE)
    files = re.findall(r"_file: (\S+)", text)
    assert files
    assert all(file.startswith(f"{SECRETS_FOLDER}/") for file in files)
