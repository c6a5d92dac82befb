"""`make` finds or downloads a Python for .venv, or ends with a message that says what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loan_api.settings import PROJECT_ROOT

# Records its arguments; makes an environment if they contain the text in ACCEPTS.
UV = """#!/bin/sh
echo "$*" >>asked
case "$*" in *"$ACCEPTS"*) mkdir -p .venv/bin ;; *) exit 2 ;; esac
printf "#!/bin/sh\\necho Python 3.13.0\\n" >.venv/bin/python
chmod +x .venv/bin/python
"""

# Records its arguments; creates .venv/uv and installs uv. Its pip knows --python if ELSEWHERE is set.
PYTHON = """#!/bin/sh
echo "$*" >>commands
case "$*" in
  "-m pip --python"*--version) [ -n "$ELSEWHERE" ] ;;
  "-m venv"*) mkdir -p .venv/uv/bin && cp "$0" .venv/uv/bin/python ;;
  *install*) cp uv .venv/uv/bin/uv ;;
esac
"""


def executable(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    path.chmod(0o755)


def checkout_in(folder: Path) -> Path:
    script = folder / "requirements" / "environment.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(PROJECT_ROOT / "requirements" / "environment.sh", script)
    executable(folder / ".venv" / "uv" / "bin" / "uv", UV)
    return folder


def make_environment(checkout: Path, *arguments: str, accepts: str = "nothing") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "requirements" / "environment.sh", *arguments],
        env={"PATH": os.environ["PATH"], "ACCEPTS": accepts},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_chosen_python_that_is_missing_is_named(tmp_path: Path) -> None:
    done = make_environment(checkout_in(tmp_path), "no-such-python")
    assert (done.returncode, done.stderr) == (1, "Error: PYTHON=no-such-python is not installed.\n")


def test_a_chosen_python_that_is_too_old_is_named_with_the_supported_ones(tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    executable(old, '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.18\nexit 1\n')
    done = make_environment(checkout_in(tmp_path / "checkout"), str(old))
    assert done.returncode == 1
    assert f"PYTHON={old} is Python 3.9.18, but 3.11 to 3.14 are supported. Without PYTHON, make finds" in done.stderr


def test_a_path_in_which_mlflow_does_not_work_is_refused(tmp_path: Path) -> None:
    done = make_environment(checkout_in(tmp_path / "50%41"))
    assert done.returncode == 1
    assert "MLflow does not work in a path that contains a %" in done.stderr


def test_an_environment_that_was_moved_to_such_a_path_is_refused_by_every_command(tmp_path: Path) -> None:
    moved = tmp_path / "50%41" / ".venv"
    moved.parent.mkdir()
    moved.symlink_to(sys.prefix)
    for command in (("loan_api", "init"), ("training", "history")):
        done = subprocess.run(
            [moved / "bin" / "python", "-m", *command],
            cwd=PROJECT_ROOT,
            env={"PATH": os.environ["PATH"], "LOAN_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1
        assert done.stderr == f"Error: MLflow does not work in a path that contains a %: {moved}; move the checkout\n"
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("accepted", [">=3.11,<3.14", "--python 3.14", "--python 3.13"])
def test_tested_versions_come_first_and_a_download_last(tmp_path: Path, accepted: str) -> None:
    checkout = checkout_in(tmp_path)
    done = make_environment(checkout, accepts=accepted)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Created .venv with Python 3.13.0.\n")
    asked = (checkout / "asked").read_text(encoding="utf-8").splitlines()
    assert accepted in asked[-1]
    assert all("--no-python-downloads" in line for line in asked[:2])
    assert ("--no-python-downloads" in asked[-1]) == (accepted != "--python 3.13")
    assert ("Downloading one." in done.stdout) == (accepted == "--python 3.13")


@pytest.mark.parametrize("elsewhere", ["", "yes"])
def test_uv_is_installed_by_an_existing_pip_or_a_new_one(tmp_path: Path, elsewhere: str) -> None:
    checkout = checkout_in(tmp_path)
    shutil.move(checkout / ".venv" / "uv" / "bin" / "uv", checkout / "uv")
    (checkout / "requirements" / "dev.txt").write_text("uv==1.2.3 --hash=sha256:00\nvulture==1.0\n", encoding="utf-8")
    executable(tmp_path / "bin" / "python3", PYTHON)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [checkout / "requirements" / "environment.sh"],
        env={"PATH": path, "ACCEPTS": "3.13", "ELSEWHERE": elsewhere},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    commands = (checkout / "commands").read_text(encoding="utf-8").splitlines()
    assert commands[1] == ("-m venv --without-pip .venv/uv" if elsewhere else "-m venv .venv/uv")
    assert ("--python .venv/uv/bin/python" in commands[2]) == bool(elsewhere)
    assert commands[2].endswith("install --require-hashes -r .venv/uv/uv.txt")
    assert (checkout / ".venv" / "uv" / "uv.txt").read_text(encoding="utf-8") == "uv==1.2.3 --hash=sha256:00\n"


def test_without_a_python_and_a_network_the_message_says_what_to_install(tmp_path: Path) -> None:
    done = make_environment(checkout_in(tmp_path))
    assert done.returncode == 1
    assert "Install Python 3.11, 3.12 or 3.13, or set PYTHON to one, and try again." in done.stderr
