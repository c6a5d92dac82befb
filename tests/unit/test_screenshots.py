"""The documents show exactly the screenshots that `make screenshots` takes."""

import re
from pathlib import Path

import pytest
from PIL import Image

from loan_api.settings import PROJECT_ROOT
from tools.screenshots.pictures import FOLDER, PICTURES

DOCS = PROJECT_ROOT / "docs"
PICTURE = re.compile(r'(?:!\[.+\]\(|<source [^>]*srcset="|<img src=")images/([^.]+)\.png')


def shown_in(*documents: str) -> set[str]:
    """Return the names of the screenshots in these pages of the documentation."""
    return {name for page in documents for name in PICTURE.findall((DOCS / page).read_text(encoding="utf-8"))}


def test_every_picture_can_be_made_anew() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.png" for name in PICTURES}


def test_two_pages_show_them_all() -> None:
    assert shown_in("screenshots.md", "desk.md") == PICTURES.keys()


@pytest.mark.parametrize("document", sorted(DOCS.glob("**/*.md")), ids=lambda document: document.stem)
def test_documents_show_no_others(document: Path) -> None:
    assert shown_in(str(document)) <= PICTURES.keys()


@pytest.mark.parametrize("tag", re.findall(r"<img [^>]*>", (DOCS / "desk.md").read_text(encoding="utf-8")))
def test_pictures_of_the_desk_have_an_alternative_text(tag: str) -> None:
    assert re.search(r' alt="[^"]{20,}"', tag)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_sharp_and_small(name: str) -> None:
    file = FOLDER / f"{name}.png"
    with Image.open(file) as picture:
        assert picture.width >= (700 if name.endswith("-phone") else 2000)
    assert file.stat().st_size < 250_000
