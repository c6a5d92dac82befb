"""Predictions have the documented shapes, for the assessment's requests and for any valid request."""

import json
from typing import Any
from unittest.mock import ANY

import pytest
from flask.testing import FlaskClient

from loan_api.credit.features import CategoryFeature
from loan_api.credit.policy import read_policy
from tests.api.conftest import MakeClient
from tests.support.applications import ASSESSMENT_BATCH, ASSESSMENT_SINGLE, application
from tests.support.fakes import FakePolicySource
from tests.support.forms import SHIPPED
from tests.support.policies import EXAMPLE


def test_a_single_prediction_has_the_documented_shape(client: FlaskClient) -> None:
    response = client.post("/predict", json=ASSESSMENT_SINGLE)
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert list(response.json.items()) == [
        ("prediction", 1),
        ("probability", 0.75),
        ("model_version", "1.0.0"),
        ("timestamp", "2024-03-13T10:30:00Z"),
        ("decision_id", "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"),
        ("outside_training_range", ANY),
        ("decision", "approve"),
        ("rule", None),
        ("policy_version", None),
    ]


def test_features_outside_the_training_data_are_named(client: FlaskClient) -> None:
    """The fake model was trained on the example with other credit scores, from 300 to 900."""

    def outside(**changes: Any) -> list[str]:
        answer: list[str] = client.post("/predict", json=SHIPPED.example() | changes).json["outside_training_range"]
        return answer

    assert outside() == []
    assert outside(cibil_score=301) == []
    assert outside(income_annum=9_600_001, loan_term=50, education="Not Graduate") == [
        "education",
        "income_annum",
        "loan_term",
    ]


def test_a_batch_prediction_has_the_documented_shape(client: FlaskClient) -> None:
    response = client.post("/predict/batch", json=ASSESSMENT_BATCH)
    assert response.status_code == 200
    body: Any = response.json
    assert list(body) == [
        *("predictions", "model_version", "timestamp", "batch_size", "processing_time", "batch_id"),
        "policy_version",
    ]
    assert body["policy_version"] is None
    assert [list(row.items()) for row in body["predictions"]] == [
        [("prediction", 1), ("probability", 0.75), ("row_id", 0), ("decision", "approve"), ("rule", None)],
        [("prediction", 1), ("probability", 500 / 600), ("row_id", 1), ("decision", "approve"), ("rule", None)],
    ]
    assert body["batch_size"] == 2
    assert body["processing_time"].endswith("s")
    assert float(body["processing_time"][:-1]) >= 0


def test_with_a_policy_answers_name_decision_rule_and_version(make_client: MakeClient) -> None:
    client = make_client(policies=FakePolicySource(read_policy(EXAMPLE, SHIPPED)))
    too_large = application(loan_amount=21_000_000, income_annum=1_000_000)
    answer = client.post("/predict", json=too_large).json
    assert list(answer.items())[-3:] == [
        ("decision", "decline"),
        ("rule", "loan_too_large"),
        ("policy_version", "2026-11"),
    ]
    referred = application(cibil_score=660, self_employed="No")
    response = client.post("/predict/batch", json={"instances": [too_large, referred]})
    assert response.headers["X-Policy-Version"] == response.json["policy_version"] == "2026-11"
    assert [(row["decision"], row["rule"]) for row in response.json["predictions"]] == [
        ("decline", "loan_too_large"),
        ("refer", None),
    ]


def test_without_a_policy_there_is_no_header(client: FlaskClient) -> None:
    assert "X-Policy-Version" not in client.post("/predict/batch", json=ASSESSMENT_BATCH).headers


def test_a_poor_score_is_rejected_with_a_small_probability(client: FlaskClient) -> None:
    body = client.post("/predict", json=application(cibil_score=310)).json
    assert body["prediction"] == 0
    assert body["probability"] < 0.5


@pytest.mark.parametrize("number", SHIPPED.numbers, ids=lambda number: number.name)
def test_both_ends_of_a_range_are_valid(client: FlaskClient, number: object) -> None:
    for value in (number.minimum, number.maximum, float(number.maximum)):  # type: ignore[attr-defined]
        response = client.post("/predict", json=application(**{number.name: value}))  # type: ignore[attr-defined]
        assert response.status_code == 200, response.json


def test_every_allowed_value_is_valid(client: FlaskClient) -> None:
    for category in (feature for feature in SHIPPED.features if isinstance(feature, CategoryFeature)):
        for value in category.values:
            assert client.post("/predict", json=application(**{category.name: value})).status_code == 200


def test_a_charset_and_a_json_suffix_are_json(client: FlaskClient) -> None:
    body = json.dumps(application())
    for content_type in ("application/json; charset=utf-8", "application/vnd.loan+json"):
        assert client.post("/predict", data=body, content_type=content_type).status_code == 200


def test_a_batch_of_ten_thousand_is_accepted_by_default(client: FlaskClient) -> None:
    response = client.post("/predict/batch", json={"instances": [application()] * 10_000})
    assert response.status_code == 200
    assert response.json["batch_size"] == 10_000


def test_the_largest_batch_is_a_setting(make_client: MakeClient) -> None:
    client = make_client(MAX_BATCH_ROWS="2")
    assert client.post("/predict/batch", json={"instances": [application()] * 2}).status_code == 200
    assert client.post("/predict/batch", json={"instances": [application()] * 3}).status_code == 413
