"""The documents show exactly the screenshots that `make screenshots` takes."""

import re
from pathlib import Path

import pytest
from PIL import Image

from loan_api.settings import PROJECT_ROOT
from tools.screenshots.pictures import FOLDER, PICTURES

DOCS = PROJECT_ROOT / "docs"
PICTURE = re.compile(r"!\[(.+)\]\(images/(.+)\.png\)")


def shown_in(document: Path) -> dict[str, str]:
    """Return the names of a document's screenshots with their alternative texts."""
    return {name: text for text, name in PICTURE.findall(document.read_text(encoding="utf-8"))}


def test_every_picture_can_be_made_anew() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.png" for name in PICTURES}


def test_one_page_shows_them_all_in_their_order() -> None:
    assert list(shown_in(DOCS / "screenshots.md")) == list(PICTURES)


@pytest.mark.parametrize("document", sorted(DOCS.glob("**/*.md")), ids=lambda document: document.stem)
def test_documents_show_no_others(document: Path) -> None:
    assert shown_in(document).keys() <= PICTURES.keys()


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_sharp_and_small(name: str) -> None:
    file = FOLDER / f"{name}.png"
    with Image.open(file) as picture:
        assert picture.width >= 2000
    assert file.stat().st_size < 250_000
