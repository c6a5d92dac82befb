"""Access to /metrics and its contents."""

from itertools import product

import pytest
from flask.testing import FlaskClient

from loan_api.credit.policy import parse_policy, read_policy
from loan_api.formats.refusals import UNKNOWN
from tests.api.conftest import MakeClient
from tests.support.applications import ASSESSMENT_BATCH, application
from tests.support.fakes import FakeModelSource, FakePolicySource
from tests.support.forms import SHIPPED
from tests.support.policies import EXAMPLE
from tests.support.scraping import Credentials, labelled, scrape


@pytest.mark.parametrize("auth", [None, ("prometheus", "wrong"), ("other", None), ("prometheus", "")])
def test_wrong_credentials_get_a_401(
    client: FlaskClient, metrics_credentials: Credentials, auth: tuple[str, str | None] | None
) -> None:
    if auth is not None and auth[1] is None:
        auth = (auth[0], metrics_credentials()[1])
    response = client.get("/metrics", auth=auth)
    assert response.status_code == 401
    assert response.content_type == "application/problem+json"
    assert response.headers["WWW-Authenticate"].startswith("Basic")
    assert "loan_" not in response.get_data(as_text=True)


@pytest.mark.parametrize(
    "header", ["Bearer abc", "Basic", "Basic !!!", "Basic é", "nonsense", "Basic cHJvbWV0aGV1cw=="]
)
def test_another_kind_of_authorization_gets_a_401(client: FlaskClient, header: str) -> None:
    assert client.get("/metrics", headers={"Authorization": header}).status_code == 401


def test_predictions_are_counted_by_outcome(client: FlaskClient, metrics_credentials: Credentials) -> None:
    client.post("/predict", json=application(cibil_score=900))
    client.post("/predict/batch", json={"instances": [application(cibil_score=s) for s in (300, 300, 900)]})
    samples = scrape(client, metrics_credentials)
    counts = {
        (endpoint, outcome): samples[
            labelled("loan_predictions_total", endpoint=endpoint, outcome=outcome, model_version="1.0.0")
        ]
        for endpoint in ("single", "batch")
        for outcome in ("approved", "rejected")
    }
    assert counts == {
        ("single", "approved"): 1,
        ("single", "rejected"): 0,
        ("batch", "approved"): 1,
        ("batch", "rejected"): 2,
    }
    assert samples[labelled("loan_prediction_probability_count", model_version="1.0.0")] == 4
    assert samples[labelled("loan_batch_rows_sum")] == 3
    assert samples[labelled("loan_prediction_duration_seconds_count", endpoint="batch")] == 1


def test_requests_are_counted_by_pattern_not_by_path(client: FlaskClient, metrics_credentials: Credentials) -> None:
    client.get("/customers/1")
    client.get("/customers/2")
    client.open("/predict", method="BREW")
    client.post("/predict/batch", json=ASSESSMENT_BATCH)
    samples = scrape(client, metrics_credentials)
    total = "loan_http_requests_total"
    assert samples[labelled(total, method="GET", route="unmatched", status="404")] == 2
    assert samples[labelled(total, method="POST", route="/predict/batch", status="200")] == 1
    assert samples[labelled(total, method="other", route="unmatched", status="405")] == 1
    values = {value for name, labels in samples if name == total for _, value in labels}
    assert not values & {"BREW", "/customers/1", "/customers/2"}
    assert samples[labelled("loan_http_requests_in_progress")] == 1  # the scrape itself


def test_refusals_are_counted_by_field_and_reason(client: FlaskClient, metrics_credentials: Credentials) -> None:
    rows = [application(cibil_score="700"), application(cibil_score=100), application(cibil_score=200)]
    client.post("/predict/batch", json={"instances": [*rows, application(made_up=1), {}, 5]})
    samples = scrape(client, metrics_credentials)
    errors = "loan_validation_errors_total"
    assert samples[labelled(errors, field="cibil_score", reason="type")] == 1
    assert samples[labelled(errors, field="cibil_score", reason="range")] == 2
    assert samples[labelled(errors, field="cibil_score", reason="missing")] == 1
    assert samples[labelled(errors, field=UNKNOWN, reason="unknown")] == 1
    assert samples[labelled(errors, field="instances", reason="type")] == 1
    assert not [labels for name, labels in samples if name == errors and "made_up" in str(labels)]


def test_every_series_of_the_first_failures_exists_before_they_happen(
    client: FlaskClient, metrics_credentials: Credentials
) -> None:
    """Check that series start at 0, as `rate()` ignores a series' first value and would miss the first burst."""
    before = scrape(client, metrics_credentials)
    json_type = {"Content-Type": "application/json"}
    statuses = {
        client.post("/predict", json=application()).status_code,
        client.post("/predict", data=b"{", headers=json_type).status_code,
        client.post("/predict", json=application(cibil_score="700", made_up=1)).status_code,
        client.post("/predict", data=b"x", headers={"Content-Type": "text/plain"}).status_code,
        client.post("/predict", data=b"x" * 20_000, headers=json_type).status_code,
        client.post("/predict/batch", json={"instances": [application(loan_term=None), {}, 5]}).status_code,
        client.post("/predict/batch", json={"instances": []}).status_code,
        client.post("/predict/batch", json=[]).status_code,
        client.post("/predict/batch", json=ASSESSMENT_BATCH, headers={"Accept": "image/png"}).status_code,
        client.get("/decisions/no-such-decision").status_code,
        client.put("/decisions/no-such-decision/outcome", json={"outcome": 1}).status_code,
        client.get("/metrics").status_code,
        client.get("/nowhere").status_code,
        client.delete("/predict").status_code,
        client.get("/openapi.json").status_code,
    }
    after = scrape(client, metrics_credentials)
    assert statuses >= {200, 400, 401, 403, 404, 405, 406, 413, 415, 422}
    new = after.keys() - before.keys()
    assert {dict(labels).get("route") for _, labels in new} <= {"unmatched"}
    assert not {name for name, _ in new if not name.startswith("loan_http_request_duration_seconds")}


def test_every_series_of_a_5xx_and_of_an_invalid_field_starts_at_zero(
    client: FlaskClient, metrics_credentials: Credentials
) -> None:
    samples = scrape(client, metrics_credentials)
    for route, status in product(("/predict", "/predict/batch"), ("500", "503")):
        assert samples[labelled("loan_http_requests_total", method="POST", route=route, status=status)] == 0
    for field, reason in product(
        ("cibil_score", "education", "instances", "body", UNKNOWN),
        ("missing", "unknown", "null", "type", "range", "not_allowed"),
    ):
        assert samples[labelled("loan_validation_errors_total", field=field, reason=reason)] == 0
    for endpoint, outcome in product(("single", "batch"), ("approved", "rejected")):
        counted = labelled("loan_predictions_total", endpoint=endpoint, outcome=outcome, model_version="1.0.0")
        assert samples[counted] == 0
    assert samples[labelled("loan_prediction_probability_count", model_version="1.0.0")] == 0


def test_the_page_stays_small(client: FlaskClient, metrics_credentials: Credentials) -> None:
    """Check the size, as Prometheus rejects scrapes of over 10,000 samples; each version adds several hundred."""
    assert 500 < len(scrape(client, metrics_credentials)) < 2_000


def test_decisions_are_counted_by_rule_and_known_series_exist_at_0(
    make_client: MakeClient, metrics_credentials: Credentials
) -> None:
    source = FakePolicySource(read_policy(EXAMPLE, SHIPPED))
    client = make_client(policies=source)

    def count(endpoint: str, decision: str, rule: str) -> float | None:
        labels = {"endpoint": endpoint, "decision": decision, "rule": rule, "model_version": "1.0.0"}
        return scrape(client, metrics_credentials).get(labelled("loan_decisions_total", **labels))

    too_large = application(loan_amount=21_000_000, income_annum=1_000_000)
    assert count("single", "decline", "loan_too_large") == count("batch", "refer", "large_loan") == 0
    assert count("single", "approve", "loan_too_large") is None
    client.post("/predict", json=too_large)
    client.post("/predict/batch", json={"instances": [too_large, too_large, application(cibil_score=900)]})
    assert count("single", "decline", "loan_too_large") == 1
    assert count("batch", "decline", "loan_too_large") == 2
    assert count("batch", "approve", "") == 1

    before, source.policy = source.policy, parse_policy(EXAMPLE.read_text().replace("2026-11", "2026-12"), SHIPPED)
    client.post("/predict", json=too_large)
    samples = scrape(client, metrics_credentials)
    assert before is not None
    for policy, value in ((before, 0), (source.policy, 1)):
        assert samples[labelled("loan_policy_info", version=policy.version, digest=policy.digest)] == value


def test_the_served_model_is_named(client: FlaskClient, metrics_credentials: Credentials) -> None:
    samples = scrape(client, metrics_credentials)
    info = labelled(
        "loan_model_info", model_version="1.0.0", registry_version="1", algorithm="decision_tree", scorer="fake"
    )
    assert samples[info] == 1
    assert samples[labelled("loan_model_reloads_total", result="success")] == 1


def test_a_request_without_a_model_counts_as_a_prediction_error(
    make_client: MakeClient, metrics_credentials: Credentials
) -> None:
    client = make_client(FakeModelSource(wanted=None))
    client.post("/predict", json=application())
    samples = scrape(client, metrics_credentials)
    assert samples[labelled("loan_prediction_errors_total", reason="no_model")] == 1


def test_the_outcome_series_of_the_served_model_start_at_zero(
    client: FlaskClient, metrics_credentials: Credentials
) -> None:
    samples = scrape(client, metrics_credentials)
    version = "1.0.0"
    counts = [
        samples[labelled("loan_outcomes_total", predicted=predicted, actual=actual, model_version=version)]
        for predicted in ("approved", "rejected")
        for actual in ("approved", "rejected")
    ]
    assert counts == [0, 0, 0, 0]
    assert samples[labelled("loan_outcome_squared_error_total", model_version=version)] == 0
    scores = labelled("loan_outcome_scores_total", bin="11 [0.9, 1]", actual="approved", model_version=version)
    assert samples[scores] == 0
