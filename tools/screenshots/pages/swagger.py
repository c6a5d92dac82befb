"""The service's Swagger UI."""

from playwright.sync_api import Locator, Page, expect

from tools.screenshots.camera import set_height
from tools.screenshots.system import System

# Hide the documentation of all possible responses, which takes pages.
_HIDE_DOCUMENTED_RESPONSES = (
    ".responses-inner > div > :not(:has(.live-responses-table)), .responses-inner > table { display: none }"
)


def operations(page: Page, system: System) -> None:
    """Show the operations of the API."""
    _open(page, system)


def predict(page: Page, system: System) -> Locator:
    """Send the example application from the page and show the decision."""
    _open(page, system)
    operation = page.locator("#operations-predictions-predict")
    operation.click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer.locator("code").first).to_contain_text("decision_id")
    page.add_style_tag(content=_HIDE_DOCUMENTED_RESPONSES)
    return operation


def _open(page: Page, system: System) -> None:
    set_height(page, 1530)
    page.goto(f"{system.service}/docs")
    expect(page.locator("#operations-predictions-predict")).to_be_visible()
