"""Parser of documentation pages: commands to type and links to follow."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from loan_api.settings import PROJECT_ROOT

PAGES = sorted(
    [*PROJECT_ROOT.glob("*.md"), *(PROJECT_ROOT / "docs").rglob("*.md"), *PROJECT_ROOT.glob("deploy/**/*.md")]
)
_NOT_RUN = re.compile(r"\s*<!-- not run: (?P<reason>\S.*?) -->\s*", re.DOTALL)
_FILE = re.compile(r"(?:loan_api|training|tests|prometheus|migrations|docs|tools|requirements|deploy)/[\w./*-]*")
_MARKDOWN = MarkdownIt().enable("table")


@dataclass(frozen=True)
class Command:
    """A command after a `$`, including continuation lines, and its documented output."""

    text: str
    printed: str


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and the reason not to run it, if a comment before it states one."""

    language: str
    content: str
    not_run: str | None

    def commands(self) -> Iterator[Command]:
        """Return its commands in order."""
        lines = self.content.splitlines()
        while lines:
            text = lines.pop(0).removeprefix("$ ")
            while not _is_whole(text):
                text += "\n" + lines.pop(0)
            printed = []
            while lines and not lines[0].startswith("$ "):
                printed.append(lines.pop(0))
            yield Command(text, "\n".join(printed))


def name(page: Path) -> str:
    """Return a page's path relative to the project root."""
    return page.relative_to(PROJECT_ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """Yield every fenced block of the page."""
    tokens = _tokens(page)
    for before, token in pairwise([Token("", "", 0), *tokens]):
        if token.type == "fence":
            marked = _NOT_RUN.fullmatch(before.content) if before.type == "html_block" else None
            yield Block(token.info.strip(), token.content, marked["reason"] if marked else None)


def links(page: Path) -> Iterator[str]:
    """Yield the targets of all links and images on the page."""
    for token in _tokens(page):
        for child in token.children or []:
            target = child.attrGet("href") or child.attrGet("src")
            if target:
                yield str(target)


def named_files(page: Path) -> Iterator[str]:
    """Yield the project's files and folders that the page mentions, such as `loan_api/app.py`."""
    for token in _tokens(page):
        for child in token.children or []:
            if child.type == "code_inline" and _FILE.fullmatch(child.content):
                yield child.content


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub generates for the page's headings."""
    tokens = _tokens(page)
    headings = [after for before, after in pairwise(tokens) if before.type == "heading_open"]
    made: list[str] = []
    for heading in headings:
        text = "".join(child.content for child in heading.children or [])
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        same = sum(re.fullmatch(re.escape(anchor) + r"(-\d+)?", earlier) is not None for earlier in made)
        made.append(f"{anchor}-{same}" if same else anchor)
    return set(made)


def _tokens(page: Path) -> list[Token]:
    return _MARKDOWN.parse(page.read_text(encoding="utf-8"))


def _is_whole(text: str) -> bool:
    """Return whether the command is complete: no open quote and no line continuation."""
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True
