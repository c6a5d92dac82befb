"""Every documented command does what its page says, run in the page's order on a running system."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from loan_api.settings import PROJECT_ROOT
from tests.support.applications import application
from tests.support.documents import PAGES, Command, blocks, name
from tests.support.homes import TrainedHome, copy_of
from tests.support.service import Service, environment, run_command, started_service

pytestmark = pytest.mark.torture

# Substitutions in documented commands; everything else is run unchanged.
REWRITTEN = {
    r"\bmake (?=[a-z])": "make --dry-run ",  # the target exists; other tests cover its effect
    r"--seconds \d+": "--seconds 1",
}
# The decisions that the pages mention.
A_DECISION = "01a207a2-8c0d-726e-bc34-4d4998fbc280"
A_BATCH = "01a207a2-9d41-7f0c-a55e-0c9d2b1f6a37"
NOT_COPIED = (".git", ".venv", "instance", "node_modules", ".*_cache", ".hypothesis")
# A changed key file takes effect within a second, and a new version within a poll.
FOLLOWED_WITHIN = 5.0


def commands_of(page: Path) -> list[Command]:
    shown = [block for block in blocks(page) if block.language == "console" and block.not_run is None]
    return [command for block in shown for command in block.commands()]


def asks_with_a_key(page: Path) -> bool:
    return any("X-API-Key" in command.text for command in commands_of(page))


# The service is started once for pages without API keys, and once for pages with them.
RUN = sorted(filter(commands_of, PAGES), key=asks_with_a_key)
# It trains and promotes.
TAKES_LONG = PROJECT_ROOT / "docs" / "training.md"
# Programs on the pages that pip does not install, with their Debian packages.
PROGRAMS = {"curl": "curl", "promtool": "prometheus"}


class Reader:
    """A reader in a checkout with a running service and a shell that keeps its state."""

    def __init__(self, home: Path, checkout: Path) -> None:
        self.checkout = checkout
        self._home = home
        self._key = ""
        self._running = ExitStack()
        self._service: Service | None = None
        self._keyed = False
        self._rewritten = dict(REWRITTEN)
        self._typed: set[tuple[str, ...]] = set()
        # Work on a copy, as some commands overwrite files that other tests read.
        shutil.copytree(PROJECT_ROOT, checkout, ignore=shutil.ignore_patterns(*NOT_COPIED))
        (checkout / "instance").symlink_to(home)
        (checkout / ".venv").symlink_to(sys.prefix)
        if (PROJECT_ROOT / ".git").exists():
            (checkout / ".git").symlink_to(PROJECT_ROOT / ".git")

    def sit_down(self, *, keyed: bool) -> "Shell":
        """Open a new shell for a service with or without API keys."""
        if self._service is None or keyed != self._keyed:
            self.leave()
            self._service, self._keyed = self._start(keyed=keyed), keyed
        environ = environment(self._home, self._service.port, {"KEY": self._key, "HOME": str(self.checkout)})
        return Shell(self.checkout, environ)

    def leave(self) -> None:
        self._service = None
        self._running.close()

    def type(self, shell: "Shell", command: Command) -> None:
        """Run the command. Fails the test if it does not do what the page says."""
        words = tuple(shlex.split(command.text, comments=True))
        # Run slow programs that are on several pages only once.
        if words in self._typed and words[0] == ".venv/bin/python":
            return
        self._typed.add(words)
        text = command.text
        for pattern, replacement in self._rewritten.items():
            text = re.sub(pattern, replacement, text)
        deadline = time.monotonic() + FOLLOWED_WITHIN
        while problem := shell.problem(text, command.printed):
            retry = text.startswith("curl") and time.monotonic() < deadline
            assert retry, f"{text}\n{problem}"

    def _start(self, *, keyed: bool) -> Service:
        if not self._key:
            arguments = ("-m", "loan_api", "keys", "add", "reader", "--scope", "admin")
            self._key = run_command(self._home, *arguments, API_KEYS_FILE=self._keys_file).strip()
        service = self._running.enter_context(
            started_service(self._home, API_KEYS_FILE=self._keys_file if keyed else "")
        )
        if A_DECISION not in self._rewritten:
            self._rewritten[A_DECISION] = self._decide(service, "/predict", application())["decision_id"]
            batch = {"instances": [application()] * 5}
            self._rewritten[A_BATCH] = self._decide(service, "/predict/batch", batch)["batch_id"]
        self._rewritten["localhost:5000"] = f"127.0.0.1:{service.port}"
        return service

    @property
    def _keys_file(self) -> str:
        return str(self._home / "keys.json")

    def _decide(self, service: Service, path: str, body: Any) -> Any:
        answer = requests.post(service.url(path), json=body, headers={"X-API-Key": self._key}, timeout=30)
        answer.raise_for_status()
        return answer.json()


class Shell:
    """A bash process that runs one command after another."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._output = folder / "output.txt"
        self._bash = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def problem(self, command: str, printed: str) -> str | None:
        """Run the command. Return the problem with its exit status or output, if any."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{{ {command}\n}} >{self._output} 2>&1 </dev/null; echo $?\n")
        self._bash.stdin.flush()
        status = self._bash.stdout.readline().strip()
        output = self._output.read_text(encoding="utf-8")
        if status != "0":
            return f"status {status}\n{output}"
        if "urn:loan-api:problem:" in output and "urn:loan-api:problem:" not in printed:
            return output
        return None if looks_like(printed, output) else f"{output}\nis not like\n{printed}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bash.communicate(timeout=10)


def looks_like(documented: str, printed: str) -> bool:
    """Return whether JSON has the documented keys and types, and other lines start with the documented words."""
    try:
        return has_shape(json.loads(documented), json.loads(printed))
    except json.JSONDecodeError:
        lines = iter(printed.splitlines())
        return all(any(line.startswith(beginning(wanted)) for line in lines) for wanted in documented.splitlines())


def has_shape(documented: Any, printed: Any) -> bool:
    """Return whether `printed` has the same keys as `documented`, with values of the same types."""
    match documented, printed:
        case dict(), dict():
            return all(key in printed and has_shape(value, printed[key]) for key, value in documented.items())
        case list(), list():
            return all(has_shape(*pair) for pair in zip(documented, printed, strict=False))
        case ((int() | float()), (int() | float())):
            return True
    return type(documented) is type(printed)


def beginning(line: str) -> str:
    """Return the line's first word without values that vary between runs."""
    return re.split(r"[\s\d…]", line, maxsplit=1)[0]


@pytest.fixture(scope="module")
def reader(twice_trained_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Provide a reader of a home where 1.0.1 has replaced 1.0.0 in Production."""
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt-get install {package}")
    home = copy_of(twice_trained_home, tmp_path_factory.mktemp("documented") / "home").settings.loan_home
    someone = Reader(home, tmp_path_factory.mktemp("reader") / "checkout")
    yield someone
    someone.leave()


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=name(page), marks=[pytest.mark.torture] * (page == TAKES_LONG)) for page in RUN],
)
def test_the_commands_of_a_page_do_what_it_says(page: Path, reader: Reader) -> None:
    with reader.sit_down(keyed=asks_with_a_key(page)) as shell:
        for command in commands_of(page):
            reader.type(shell, command)
