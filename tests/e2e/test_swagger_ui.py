"""Swagger UI of a running service, in a real browser."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.service import Service
from tools.screenshots.browser import MISSING, chromium, started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        pytest.skip(MISSING)
    with started(executable) as browser:
        yield browser


class Visit:
    """The page at /docs, and everything that it asked for or complained of."""

    def __init__(self, page: Page, service: Service) -> None:
        self.page = page
        self.origins: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self.origins.add(urlsplit(request.url).netloc))
        page.on("requestfailed", lambda request: self.complaints.append(f"{request.url}: {request.failure}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._note(message.type, message.text))
        page.goto(service.url("/docs"))

    def _note(self, kind: str, text: str) -> None:
        # A breach of the content security policy is an error, too.
        if kind in ("error", "warning"):
            self.complaints.append(text)


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Visit]:
    with browser.new_context() as context:
        yield Visit(context.new_page(), service)


def test_predict_can_be_tried_out(visit: Visit, service: Service) -> None:
    """As it stands: the example is a valid application, the answer a decision; nobody else is asked for anything."""
    operation = visit.page.locator("#operations-predictions-predict")
    operation.click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    decided = json.loads(answer.locator(".response-col_description code").first.inner_text())
    assert decided["prediction"] in (0, 1)
    assert 0 <= decided["probability"] <= 1
    assert decided["model_version"] == "1.0.0"
    assert visit.origins == {f"127.0.0.1:{service.port}"}
    assert visit.complaints == []


def test_a_key_that_was_entered_is_sent(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Authorize").first.click()
    dialog = visit.page.locator(".dialog-ux")
    entry = dialog.locator(".auth-container", has_text="X-API-Key")
    entry.get_by_role("textbox").fill("a-key")
    entry.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").last.click()
    operation = visit.page.locator("#operations-predictions-predict")
    operation.click()
    with visit.page.expect_request("**/predict") as sent:
        operation.get_by_role("button", name="Execute").click()
    assert sent.value.headers["x-api-key"] == "a-key"
    assert visit.complaints == []
