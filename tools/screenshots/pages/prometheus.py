"""Pages of Prometheus: those of before version 3, which Debian's package has no others of."""

from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from loan_api.settings import PROJECT_ROOT
from tools.screenshots.camera import set_height
from tools.screenshots.system import System

_RANGE = "20m"
# The query is given the focus, again and again; a history is nobody's yet.
_STYLE = "textarea:focus { box-shadow: none !important } .query-history { display: none }"
# Rules are named by their files on this machine.
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
    """Quantiles of how long requests take."""
    _graph(page, system, '{__name__=~"job_route:loan_http_request_duration_seconds:p.*_rate5m", route="/predict"}')


def decisions(page: Page, system: System) -> None:
    """Decisions a second, by what was decided."""
    _graph(page, system, "job_model_version_outcome:loan_predictions:rate5m")


def drift(page: Page, system: System) -> None:
    """Show the population stability index of each feature."""
    _graph(page, system, "job_model_version_feature:loan_feature_values:psi1h", height=1000)


def targets(page: Page, system: System) -> None:
    """Show the targets and that they are up."""
    set_height(page, 400)
    _open(page, system, "targets")
    expect(page.get_by_text("1/1 up")).to_be_visible()


def alerts(page: Page, system: System) -> None:
    """Show firing and pending alerts, with those of drifting features expanded."""
    set_height(page, 1120)
    _open(page, system, "alerts")
    page.get_by_text("Inactive (").click()
    page.get_by_text("LoanModelFeatureDrift").first.click()
    expect(page.get_by_text('feature="cibil_score"').first).to_be_visible()
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
