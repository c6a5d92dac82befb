"""Pages of the MLflow UI."""

import json
import re
from typing import Any

from playwright.sync_api import Page, expect

from tools.screenshots.camera import set_height
from tools.screenshots.system import System

_EXPERIMENT = "loan_approval"
_MODEL = "loan_approval_model"
_CANDIDATE = "logistic_regression"
_PRODUCTION = 3
# Dismiss the assistant and banners, and choose the view for model training.
_REMEMBERED = {
    "mlflow.workflowType_v1": json.dumps("machine_learning"),
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
    "_mlflow_model_registry_promo_modal_dismissed_v1": "true",
}
# Only this variant of the registry page has a column for stages; the other one shows aliases.
_WITH_STAGES = {"_mlflow_user_setting_dismiss_next_model_registry_ui": "true"}
# Hide the assistant's button and local artifact paths, and make room for tag values.
_STYLE = """
    [data-assistant-ui], div:has(> [title^='file:']) { display: none !important }
    .du-bois-light-table-container col:nth-child(2) { width: 700px !important }
"""
_COLUMNS = {"Dataset": False, "Source": False, "Models": False} | dict.fromkeys(
    ("cv_log_loss_mean", "cv_log_loss_std", "f1", "roc_auc", "brier"), True
)
# A training run is named after its semantic version and winner.
_TRAINING = re.compile(r"^\s*\d+\.\d+\.\d+ ")
# Expand scrollable lists to their full height.
_UNROLL = "element => { for (let e = element; e; e = e.parentElement) e.style.maxHeight = 'none' }"
_COMPARED = ("cv_log_loss_mean", "cv_brier_mean", "cv_f1_mean", "cv_roc_auc_mean", "brier", "roc_auc")


def runs(page: Page, system: System) -> None:
    """Show the training runs, with the candidates of the last one and their metrics."""
    _open_runs(page, system)
    page.get_by_test_id("column-selection-dropdown").first.click()
    chooser = page.get_by_role("dialog")
    for column, wanted in _COLUMNS.items():
        chooser.get_by_placeholder("Search columns").fill(column)
        box = chooser.locator(".du-bois-light-tree-treenode").filter(has_text=re.compile(f"^{column}$"))
        box.locator(".du-bois-light-tree-checkbox").click()
        expect(box.locator(".du-bois-light-tree-checkbox-checked")).to_have_count(int(wanted))
    page.keyboard.press("Escape")
    expect(chooser).to_have_count(0)
    page.get_by_test_id("column-selection-dropdown").first.blur()
    page.mouse.move(0, 0)


def charts(page: Page, system: System) -> None:
    """Show the same runs, compared by metric."""
    _open_runs(page, system, "?compareRunsMode=CHART")
    set_height(page, 1110)
    page.get_by_test_id("experiment-view-runs-visibility-column-header").click()
    page.get_by_text("Show all runs").click()
    search = page.get_by_placeholder("Search metric charts")
    search.fill(f"^({'|'.join(_COMPARED)})$")
    expect(page.get_by_role("heading", level=4)).to_have_text(sorted(_COMPARED))
    expect(page.locator(".js-plotly-plot")).to_have_count(len(_COMPARED))
    search.blur()
    # The charts highlight the row under the pointer.
    page.mouse.move(0, 0)


def run(page: Page, system: System) -> None:
    """Show the metrics and origin of the Production version's run."""
    _open(page, f"{system.mlflow}/#/{_winning_run(page, system)}")
    expect(page.get_by_text("cv_log_loss_mean")).to_be_visible()


def plot(page: Page, system: System) -> None:
    """Show a plot from the Production version's run."""
    _open(page, f"{system.mlflow}/#/{_winning_run(page, system)}/artifacts/plots/calibration.png")
    expect(page.get_by_text("threshold.png")).to_be_visible()
    expect(page.locator("img[alt='plots/calibration.png']")).to_be_visible()


def model(page: Page, system: System) -> None:
    """Show the registered model with its versions, one of them in Production."""
    set_height(page, 640)
    _open(page, f"{system.mlflow}/#/models/{_MODEL}", **_WITH_STAGES)
    page.get_by_role("button", name="Tags").click()
    expect(page.get_by_role("row")).to_have_count(1 + _PRODUCTION)
    page.get_by_role("button", name="Tags").blur()


def version(page: Page, system: System) -> None:
    """Show the description, alias, stage and tags of the version in Production."""
    set_height(page, 1290)
    _open(page, f"{system.mlflow}/#/models/{_MODEL}/versions/{_PRODUCTION}")
    expect(page.get_by_text("@ champion")).to_be_visible()
    page.get_by_text("semantic_version", exact=True).evaluate(_UNROLL)


def _open_runs(page: Page, system: System, query: str = "") -> None:
    """Open the list of training runs and expand the candidates of the last one."""
    set_height(page, 1000)
    _open(page, f"{system.mlflow}/#/experiments/{_experiment_id(page, system)}/runs{query}")
    page.locator("[data-component-id='mlflow.experiment.metadata_editor.expand_button']").click()
    last = page.get_by_role("row").filter(has=page.locator("a", has_text=_TRAINING)).first
    last.get_by_role("button").first.click()
    expect(page.get_by_role("link", name=_CANDIDATE, exact=True)).to_be_visible()


def _open(page: Page, url: str, **remembered: str) -> None:
    for name, value in (_REMEMBERED | remembered).items():
        page.add_init_script(f"localStorage.setItem({json.dumps(name)}, {json.dumps(value)})")
    page.goto(url)
    page.add_style_tag(content=_STYLE)


def _experiment_id(page: Page, system: System) -> str:
    found = _asked(page, system, f"experiments/get-by-name?experiment_name={_EXPERIMENT}")
    return str(found["experiment"]["experiment_id"])


def _winning_run(page: Page, system: System) -> str:
    """Return the path of the run that trained the Production version."""
    found = _asked(page, system, f"model-versions/get?name={_MODEL}&version={_PRODUCTION}")
    return f"experiments/{_experiment_id(page, system)}/runs/{found['model_version']['run_id']}"


def _asked(page: Page, system: System, query: str) -> Any:
    return page.request.get(f"{system.mlflow}/api/2.0/mlflow/{query}").json()
