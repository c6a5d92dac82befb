"""Swagger UI of a running service, in a real browser."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Proxied
from tests.support.browsing import Visit
from tests.support.prefix_proxy import PREFIX
from tests.support.service import Service

pytestmark = pytest.mark.slow


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Visit]:
    with browser.new_context() as context:
        yield Visit(context.new_page(), service.url("/docs"))


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
def test_predict_can_be_tried_out_behind_a_path_prefix(
    browser: Browser, service: Service, proxied: Proxied, path: str
) -> None:
    proxy = proxied(service)
    with browser.new_context() as context:
        visit = Visit(context.new_page(), f"{proxy}{path}")
        try_out_predict(visit)
        assert visit.page.url.split("#")[0] == f"{proxy}/docs"
        assert f"{proxy}/predict" in {url.partition("?")[0] for url in visit.requested}
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
    with visit.page.expect_request(re.compile(r"/predict(\?|$)")) as sent:
        operation.get_by_role("button", name="Execute").click()
    assert sent.value.headers["x-api-key"] == "a-key"
    assert visit.errors == []
