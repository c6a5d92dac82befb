"""Every locked package has an allowed licence, and the page of licences is current."""

import pytest

from tools.supply.licences import PAGE, STATED, UnknownLicenceError, licence_of, not_allowed, page, parts
from tools.supply.locks import FOLDER, WIDEST, packages


def test_every_locked_package_has_a_licence_that_is_allowed_where_it_goes() -> None:
    refused = {
        package: licence_of(package) for package, part in parts().items() if not_allowed(licence_of(package), part)
    }
    assert refused == {}


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make licences"


def test_the_widest_lock_has_every_package() -> None:
    assert set(parts()) == packages(WIDEST)


def test_every_line_of_the_locks_is_pinned_and_hashed() -> None:
    for lock in sorted(FOLDER.glob("*.txt")):
        logical = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        loose = [line for line in logical if line.strip() and not ("==" in line and " --hash=sha256:" in line)]
        assert loose == [], lock.name


def test_nothing_is_stated_of_a_package_that_is_not_locked() -> None:
    assert set(STATED) - set(parts()) == set()


def test_a_package_that_says_nothing_is_an_error_and_no_guess() -> None:
    with pytest.raises(UnknownLicenceError, match="not installed"):
        licence_of("no-such-package")


@pytest.mark.parametrize(
    ("expression", "part", "refused"),
    [
        ("MIT", "serving", set()),
        ("Apache-2.0 AND (GPL-2.0-only OR MIT)", "training", {"GPL-2.0-only"}),
        ("GPL-3.0-only", "serving", {"GPL-3.0-only"}),
        ("GPL-3.0-only", "development", set()),
        ("AGPL-3.0-only", "development", {"AGPL-3.0-only"}),
    ],
)
def test_each_licence_of_an_expression_counts(expression: str, part: str, refused: set[str]) -> None:
    assert not_allowed(expression, part) == refused
