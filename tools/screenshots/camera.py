"""Capture of pages as sharp and small images."""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tools.screenshots.system import Credentials

_WIDTH, _HEIGHT = 1280, 860
# Render at the pixel density of a high-resolution screen.
_SCALE = 2
_COLOURS = 256
_PATIENCE_MILLISECONDS = 30_000


def new_page(browser: Browser, credentials: Credentials) -> Page:
    """Open a page in a fresh context that answers password prompts with `credentials`."""
    context = browser.new_context(
        viewport={"width": _WIDTH, "height": _HEIGHT},
        device_scale_factor=_SCALE,
        reduced_motion="reduce",
        http_credentials={"username": credentials.user, "password": credentials.password},
    )
    context.set_default_timeout(_PATIENCE_MILLISECONDS)
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    return context.new_page()


def set_height(page: Page, height: int) -> None:
    """Make the viewport as high as the visible content."""
    page.set_viewport_size({"width": _WIDTH, "height": height})


def fit_to_content(page: Page, width: int = _WIDTH) -> None:
    """Make the viewport as high as the whole page at `width`."""
    # Without its style sheet the page is higher.
    page.wait_for_load_state()
    page.set_viewport_size({"width": width, "height": _HEIGHT})
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("scrollTo(0, 0)")


def take_picture(of: Page | Locator, file: Path) -> None:
    """Write the visible content as a PNG with a palette, which suffices for the few colours of a page."""
    taken = Image.open(io.BytesIO(of.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    taken.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, optimize=True)
