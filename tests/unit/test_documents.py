"""Links in the documents work, and every command in them is either run or marked as not run."""

from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from loan_api.settings import PROJECT_ROOT
from tests.support.documents import PAGES, Block, Command, anchors, blocks, links, name, named_files

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
