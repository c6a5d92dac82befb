"""Swagger UI of a running service, in a real browser."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.support.prefix_proxy import PREFIX, prefix_proxy
from tests.support.service import Service, free_port
from tests.support.waiting import wait_until
from tools.screenshots.browser import MISSING, chromium, started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        pytest.skip(MISSING)
    with started(executable) as browser:
        yield browser


class Visit:
    """A visit to a page, with the requests that it made and the errors that it reported."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.requested: set[str] = set()
        self.errors: list[str] = []
        page.on("request", lambda request: self.requested.add(request.url))
        page.on("requestfailed", lambda request: self.errors.append(f"{request.url}: {request.failure}"))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._note(message.type, message.text))
        page.goto(url)

    def _note(self, kind: str, text: str) -> None:
        # This includes violations of the content security policy.
        if kind in ("error", "warning"):
            self.errors.append(text)


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Visit]:
    with browser.new_context() as context:
        yield Visit(context.new_page(), service.url("/docs"))


@pytest.fixture
def proxy(service: Service, tmp_path: Path) -> Iterator[str]:
    """Provide the address of the service behind nginx with a path prefix."""
    if shutil.which("nginx", path="/usr/sbin") is None:
        pytest.skip("nginx is missing: apt-get install nginx-light")

    def is_up() -> bool:
        try:
            return requests.get(f"{address}/health/live", timeout=5).ok
        except requests.ConnectionError:
            return False

    with prefix_proxy(tmp_path, free_port(), service.url("")) as address:
        wait_until(is_up, "nginx to answer", 30)
        yield address


def try_out_predict(visit: Visit) -> None:
    """Execute the operation with its example, and check that the response is a decision."""
    operation = visit.page.locator("#operations-predictions-predict")
    operation.click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    decided = json.loads(answer.locator(".response-col_description code").first.inner_text())
    assert decided["prediction"] in (0, 1)
    assert 0 <= decided["probability"] <= 1
    assert decided["model_version"] == "1.0.0"


def test_predict_can_be_tried_out_and_nothing_comes_from_other_origins(visit: Visit, service: Service) -> None:
    try_out_predict(visit)
    assert {urlsplit(url).netloc for url in visit.requested} == {f"127.0.0.1:{service.port}"}
    assert visit.errors == []


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_predict_can_be_tried_out_behind_a_path_prefix(browser: Browser, proxy: str, path: str) -> None:
    with browser.new_context() as context:
        visit = Visit(context.new_page(), f"{proxy}{path}")
        try_out_predict(visit)
        assert visit.page.url.split("#")[0] == f"{proxy}/docs"
        assert f"{proxy}/predict" in visit.requested
        assert {urlsplit(url).path.startswith(f"{PREFIX}/") for url in visit.requested} == {True}
        assert visit.errors == []


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
    assert visit.errors == []
