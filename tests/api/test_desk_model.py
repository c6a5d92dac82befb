"""The desk's page about the served model."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from loan_api.credit.features import describe
from loan_api.credit.policy import read_policy
from loan_api.credit.reliability import Reliability
from loan_api.scoring.package import REFERENCE_FOLDER, GoldenRows, ReferencePackage
from loan_api.scoring.promotions import Event
from loan_api.services.decision_log import LogState
from loan_api.settings import PROJECT_ROOT
from tests.api.conftest import MakeClient
from tests.support.applications import application
from tests.support.desk import signed_in
from tests.support.fakes import NOW, FakeKeySource, FakeLog, FakeModelSource, FakePolicySource, api_key, reference
from tests.support.forms import SHIPPED

PATH = "/desk/model"
KEYS = FakeKeySource([api_key("auditor", "audit", "score"), api_key("shop", "score")])
CARD = """\
# Card of <b>bold</b>

| metric | value |
| --- | --- |
| <img src=x onerror=alert(1)> | 0.99 |

<script>alert(1)</script>

[link](javascript:alert(1)) and ![picture](https://evil.example/x.png) and <https://evil.example>
"""


@pytest.fixture
def source(tmp_path: Path) -> FakeModelSource:
    package = ReferencePackage(
        form=SHIPPED.text,
        features=[describe(feature) for feature in SHIPPED.features],
        distribution=reference(),
        golden_rows=GoldenRows([], []),
        model_card=CARD,
        reliability=Reliability.of(np.array([0.04, 0.06, 0.95]), [0, 1, 1]),
    )
    package.write(tmp_path / "model" / REFERENCE_FOLDER)
    return FakeModelSource(artifact=tmp_path / "model")


def test_it_describes_the_served_version(make_client: MakeClient, source: FakeModelSource) -> None:
    page = signed_in(make_client(source, keys=KEYS), "auditor").open(PATH)
    assert page.status == 200
    for text in ("Model 1.0.0", "loan_approval_model", "decision_tree", "1, Production (champion)", "F1 0.9900"):
        assert text in page.text
    assert "No policy is configured" in page.text
    assert "Nothing has been decided since the server started." in page.text
    assert "The service is" not in page.text


def test_the_reliability_diagram_has_its_numbers(make_client: MakeClient, source: FakeModelSource) -> None:
    page = signed_in(make_client(source, keys=KEYS), "auditor").open(PATH)
    assert "2 0.0500 0.5000 0.095 – 0.905" in page.text
    assert page.html.count("<circle") == 2


def test_a_model_card_brings_no_active_content(make_client: MakeClient, source: FakeModelSource) -> None:
    page = signed_in(make_client(source, keys=KEYS), "auditor").open(PATH)
    assert "<h3>Card of &lt;b&gt;bold&lt;/b&gt;</h3>" in page.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.html
    assert page.html.count("<script") == 1
    assert "<img" not in page.html
    assert not [target for target in page.targets if "evil" in target or "javascript" in target]


def test_a_model_without_card_and_diagram_is_still_described(make_client: MakeClient) -> None:
    page = signed_in(make_client(keys=KEYS), "auditor").open(PATH)
    assert page.status == 200
    assert "The model card cannot be read." in page.text
    assert "registered before its reliability" in page.text


def test_drift_is_measured_on_this_server_s_decisions(make_client: MakeClient) -> None:
    client = make_client(keys=KEYS)
    batch = {"instances": [application(cibil_score=600)] * 600}
    assert client.post("/predict/batch", json=batch, headers={"X-API-Key": "shop"}).status_code == 200
    page = signed_in(client, "auditor").open(PATH)
    assert "600 decisions since the server started, compared with 3 applications" in page.text
    assert "The applicant's CIBIL credit score Drifted 6.1" in page.text
    assert "The time to repay the loan Stable 0.000" in page.text
    assert "[600, 660) 33.3% 100.0%" in page.text


def test_the_policy_in_force_is_shown(make_client: MakeClient) -> None:
    policy = read_policy(PROJECT_ROOT / "docs" / "examples" / "policy.toml", SHIPPED)
    client = make_client(keys=KEYS, policies=FakePolicySource(policy))
    page = signed_in(client, "auditor").open(PATH)
    assert f"Version {policy.version} decides." in page.text
    for rule in policy.rules:
        assert rule.code in page.text
        assert rule.when.source in page.text


def test_the_versions_in_production_are_listed_latest_first(make_client: MakeClient) -> None:
    events = [
        Event(NOW, "promote", "1", "0.9.0", "<jane>", done=True),
        Event(NOW + timedelta(days=1), "rollback", "1", "1.0.0", "joe", done=True),
    ]
    page = signed_in(make_client(FakeModelSource(events=events), keys=KEYS), "auditor").open(PATH)
    assert "14 Mar 2024, 10:30:00 UTC 1.0.0 Now joe Rolled back 13 Mar 2024" in page.text
    assert "&lt;jane&gt;" in page.html


def test_problems_of_the_service_are_named(make_client: MakeClient) -> None:
    client = make_client(keys=KEYS, log=FakeLog(LogState("journal", 12, "it is away")))
    page = signed_in(client, "auditor").open(PATH)
    assert "The service is degraded." in page.text
    assert "Database: it is away" in page.text


def test_without_a_model_it_says_so(make_client: MakeClient) -> None:
    page = signed_in(make_client(FakeModelSource(wanted=None), keys=KEYS), "auditor").open(PATH)
    assert page.status == 503
    assert "No model is in production yet" in page.text


def test_it_needs_the_scope_audit(make_client: MakeClient) -> None:
    assert signed_in(make_client(keys=KEYS), "shop").open(PATH).status == 403
