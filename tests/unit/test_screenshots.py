"""The documents show exactly the screenshots that `make screenshots` takes."""

import re
from pathlib import Path

import pytest
from PIL import Image

from loan_api.settings import PROJECT_ROOT
from tools.screenshots.pictures import FOLDER, PICTURES

DOCS = PROJECT_ROOT / "docs"
PICTURE = re.compile(r'(?:!\[.+\]\(|<source [^>]*srcset="|<img src=")images/([^.]+)\.png')


def shown_in(document: Path) -> list[str]:
    """Return the names of a document's screenshots."""
    return PICTURE.findall(document.read_text(encoding="utf-8"))


def test_every_picture_can_be_made_anew() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.png" for name in PICTURES}


@pytest.mark.parametrize("page", ["desk", "forms"])
def test_pages_show_their_own_pictures(page: str) -> None:
    assert sorted(shown_in(DOCS / f"{page}.md")) == sorted(name for name in PICTURES if name.startswith(f"{page}-"))


def test_another_page_shows_the_rest_in_their_order() -> None:
    rest = [name for name in PICTURES if not name.startswith(("desk-", "forms-"))]
    assert shown_in(DOCS / "screenshots.md") == rest


@pytest.mark.parametrize("document", sorted(DOCS.glob("**/*.md")), ids=lambda document: document.stem)
def test_documents_show_no_others(document: Path) -> None:
    assert PICTURES.keys() >= set(shown_in(document))


@pytest.mark.parametrize("tag", re.findall(r"<img [^>]*>", (DOCS / "desk.md").read_text(encoding="utf-8")))
def test_pictures_of_the_desk_have_an_alternative_text(tag: str) -> None:
    assert re.search(r' alt="[^"]{20,}"', tag)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_sharp_and_small(name: str) -> None:
    file = FOLDER / f"{name}.png"
    with Image.open(file) as picture:
        assert picture.width >= (700 if name.endswith("-phone") else 2000)
    assert file.stat().st_size < 250_000
