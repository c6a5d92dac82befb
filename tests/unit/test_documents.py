"""Links in the documents work, and every command in them is either run or marked as not run."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from loan_api.settings import PROJECT_ROOT
from tests.support.documents import PAGES, Block, Command, anchors, blocks, links, name, named_files

# Options of docker compose that take a value.
COMPOSE_OPTIONS_WITH_VALUES = {"--profile", "--since", "--tail"}
INDEX = PROJECT_ROOT / "docs" / "README.md"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in links(page) if not _leads_somewhere(page, link)]
    assert broken == []


def _leads_somewhere(page: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme in {"http", "https"}
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.exists() or not target.is_relative_to(PROJECT_ROOT):
        return False
    return not parts.fragment or target.suffix != ".md" or parts.fragment in anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    missing = [file for file in named_files(page) if not any(PROJECT_ROOT.glob(file))]
    assert missing == []


def test_every_page_is_found_from_the_index() -> None:
    """Follow links from the index, directly or through a page that it lists."""
    found = {INDEX}
    while new := set(chain.from_iterable(map(_pages_linked_from, found))) - found:
        found |= new
    assert {name(page) for page in set(PAGES) - found} == set()


def test_a_command_goes_on_while_the_shell_asks_for_more_and_what_follows_is_printed() -> None:
    content = "$ curl -d '{\n  1}' \\\n    x  # it's open\n{}\n$ export A=1\n$ b\nc\nd\n"
    assert list(Block("console", content, None).commands()) == [
        Command("curl -d '{\n  1}' \\\n    x  # it's open", "{}"),
        Command("export A=1", ""),
        Command("b", "c\nd"),
    ]


def test_headings_have_the_anchors_that_github_gives_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A, b & `c_d`\n\n## Setup\n\n## Setup\n", encoding="utf-8")
    assert anchors(page) == {"a-b--c_d", "setup", "setup-1"}


def _pages_linked_from(page: Path) -> set[Path]:
    targets = [
        (page.parent / unquote(urlsplit(link).path)).resolve() for link in links(page) if not urlsplit(link).scheme
    ]
    return {target for target in targets if target in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_is_typed_stands_in_console_blocks(page: Path) -> None:
    """Require console blocks, as the test that runs commands ignores others."""
    typed = [
        block for block in blocks(page) if block.content.startswith("$ ") or block.language in {"bash", "sh", "shell"}
    ]
    assert {block.language for block in typed} <= {"console"}
    assert all(block.content.startswith("$ ") for block in blocks(page) if block.language == "console")


def commands_not_run() -> list[str]:
    """Return the commands that no test runs; the tests below check the names in them, which rot first."""
    skipped = [block for page in PAGES for block in blocks(page) if block.language == "console" and block.not_run]
    return [command.text for block in skipped for command in block.commands()]


def test_commands_that_are_not_run_are_valid_shell() -> None:
    commands = commands_not_run()
    assert commands
    checked = subprocess.run(
        ["bash", "-n"], input="\n".join(commands), capture_output=True, text=True, check=False, timeout=10
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_commands_that_are_not_run_name_existing_compose_services() -> None:
    services = set(yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"])
    named = {name for command in commands_not_run() for name in _compose_services(command)}
    assert named
    assert named - services == set()


def _compose_services(command: str) -> Iterator[str]:
    """Yield the first argument of each subcommand of docker compose that is applied to a service."""
    for arguments in re.findall(r"docker compose ([^|&;)\n]*)", command):
        words = iter(shlex.split(arguments, comments=True))
        positional = [
            word for word in words if not (word in COMPOSE_OPTIONS_WITH_VALUES and next(words)) and word[0] != "-"
        ]
        if positional[1:]:
            yield positional[1]


def test_commands_that_are_not_run_search_for_existing_log_messages() -> None:
    sources = "\n".join(file.read_text(encoding="utf-8") for file in (PROJECT_ROOT / "loan_api").rglob("*.py"))
    searched = {found for command in commands_not_run() for found in re.findall(r"'\"([a-z ]+)\"'", command)}
    assert searched
    assert {message for message in searched if f'"{message}"' not in sources} == set()


def test_commands_that_are_not_run_name_existing_make_targets() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    typed = [command for command in commands_not_run() if command.startswith("make ")]
    named = {word for command in typed for word in shlex.split(command, comments=True)[1:] if "=" not in word}
    assert named
    assert named - targets == set()


def test_commands_that_are_not_run_select_existing_tests() -> None:
    selections = [found for command in commands_not_run() for found in re.findall(r"pytest (\S+) -k (\w+)", command)]
    assert selections
    for file, word in selections:
        assert re.search(rf"def test_\w*{word}", (PROJECT_ROOT / file).read_text(encoding="utf-8")), file


def test_commands_that_are_not_run_name_existing_kubernetes_objects() -> None:
    files = (PROJECT_ROOT / "deploy" / "kubernetes").rglob("*.yaml")
    objects = [each for file in files for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each]
    existing = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in objects if "metadata" in each}
    commands = [command for command in commands_not_run() if "kubectl" in command]
    created = {f"job/{name}" for command in commands for name in re.findall(r"create job (\S+)", command)}
    named = {found for command in commands for found in re.findall(r"\b(?:deployment|cronjob|job)/[a-z-]+", command)}
    assert named
    assert named - created - existing == set()
