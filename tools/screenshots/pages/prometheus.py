"""Pages of Prometheus in the classic UI, the only one in Debian's package."""

from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from loan_api.settings import PROJECT_ROOT
from tools.screenshots.camera import set_height
from tools.screenshots.system import System

_RANGE = "20m"
# Hide the focus ring, as the query field keeps taking the focus, and the empty query history.
_STYLE = "textarea:focus { box-shadow: none !important } .query-history { display: none }"
# Rule groups are shown with the path of their file; remove the local folder.
_WITHOUT_FOLDER = """
    folder => {
        const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replace(folder, "");
    }
"""


def requests(page: Page, system: System) -> None:
    """Show requests per second by route and status."""
    _graph(page, system, 'job_route_status:loan_http_requests:rate5m{route=~"/predict.*"}')


def latency(page: Page, system: System) -> None:
    """Show quantiles of request durations."""
    _graph(page, system, '{__name__=~"job_route:loan_http_request_duration_seconds:p.*_rate5m", route="/predict"}')


def decisions(page: Page, system: System) -> None:
    """Show decisions per second by outcome."""
    _graph(page, system, "job_model_version_outcome:loan_predictions:rate5m")


def drift(page: Page, system: System) -> None:
    """Show the population stability index of each feature."""
    _graph(page, system, "job_model_version_feature:loan_feature_values:psi1h", height=1000)


def targets(page: Page, system: System) -> None:
    """Show the scrape targets and their state."""
    set_height(page, 400)
    _open(page, system, "targets")
    expect(page.get_by_text("1/1 up")).to_be_visible()


def alerts(page: Page, system: System) -> None:
    """Show firing and pending alerts, with the feature drift alerts expanded."""
    set_height(page, 1120)
    _open(page, system, "alerts")
    page.get_by_text("Inactive (").click()
    page.get_by_text("LoanModelFeatureDrift").first.click()
    expect(page.get_by_text('feature="').first).to_be_visible()
    page.mouse.move(0, 0)


def _graph(page: Page, system: System, expression: str, height: int = 860) -> None:
    set_height(page, height)
    query = {"g0.expr": expression, "g0.tab": "0", "g0.range_input": _RANGE}
    _open(page, system, f"graph?{urlencode(query)}")
    expect(page.locator(".rickshaw_graph svg path").first).to_be_visible()
    expect(page.locator(".rickshaw_legend .line").first).to_be_visible()


def _open(page: Page, system: System, path: str) -> None:
    page.goto(f"{system.prometheus}/classic/{path}")
    page.add_style_tag(content=_STYLE)
    page.evaluate(_WITHOUT_FOLDER, f"{PROJECT_ROOT}/prometheus/")
