"""Headless Chromium driven by playwright; it contacts no hosts other than those of the opened pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "chromium is missing: apt-get install chromium"
# Disable updates, account sync and other connections to the vendor.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def chromium() -> str | None:
    """Return the path of an installed Chromium, if any. playwright's own download is not used."""
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
