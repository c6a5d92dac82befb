"""Chromium without a screen, driven by playwright; it asks nobody but the pages that it is shown."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "chromium is missing: apt-get install chromium"
# So that it looks for neither updates nor accounts, nor for hosts of its maker.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def chromium() -> str | None:
    """Where it is, if it is installed. playwright's own download is not used."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def started(executable: str) -> Iterator[Browser]:
    """Run the browser for the duration of the block, with a temporary profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_QUIET))
        try:
            yield browser
        finally:
            browser.close()
