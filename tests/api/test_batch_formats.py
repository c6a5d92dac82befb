"""Batches over HTTP: request formats, response formats and limits."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from loan_api.formats.codecs import ARROW, CSV, JSON, MEDIA_TYPES, NDJSON, PARQUET
from loan_api.services.admission import ByteBudget, LoadShedder
from tests.api.conftest import MakeClient
from tests.support.applications import application
from tests.support.batch_bodies import WRITERS
from tests.support.fakes import FakeModelSource

ROWS = [application(cibil_score=score) for score in (300, 600, 900)]


def post(client: FlaskClient, media_type: str, **headers: str) -> Any:
    return client.post(
        "/predict/batch", data=WRITERS[media_type](ROWS), content_type=media_type, headers=headers or None
    )


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_the_answer_has_the_format_of_the_request(client: FlaskClient, media_type: str) -> None:
    response = post(client, media_type)
    assert response.status_code == 200, response.text
    assert response.mimetype == media_type
    assert response.headers["X-Model-Version"] == "1.0.0"
    assert response.headers["X-Batch-ID"] == "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"
    assert response.headers["X-Decided-At"] == "2024-03-13T10:30:00Z"


@pytest.mark.parametrize("accept", ["*/*", "text/*, */*;q=0.1", "text/csv, application/json;q=0.5"])
def test_the_client_may_ask_for_another_format(client: FlaskClient, accept: str) -> None:
    response = post(client, JSON, Accept=accept)
    assert response.status_code == 200
    assert response.mimetype == (JSON if accept == "*/*" else CSV)


def test_a_client_that_takes_anything_gets_what_it_sent(client: FlaskClient) -> None:
    assert post(client, PARQUET, Accept="*/*").mimetype == PARQUET


def test_a_format_that_there_is_not_is_a_406(client: FlaskClient) -> None:
    response = post(client, JSON, Accept="image/png")
    assert response.status_code == 406
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("media_type", [NDJSON, CSV])
def test_lines_are_sent_as_they_are_made(client: FlaskClient, media_type: str) -> None:
    response = post(client, media_type)
    assert response.status_code == 200
    assert "Content-Length" not in response.headers
    assert len(response.text.splitlines()) == (3 if media_type == NDJSON else 4)


@pytest.mark.parametrize("media_type", [NDJSON, CSV, ARROW, PARQUET])
def test_errors_are_problems_in_every_format(client: FlaskClient, media_type: str) -> None:
    rows = [application(), application(cibil_score=5)]
    response = client.post("/predict/batch", data=WRITERS[media_type](rows), content_type=media_type)
    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    assert [error["pointer"] for error in response.json["errors"]] == ["/instances/1/cibil_score"]
    broken = client.post("/predict/batch", data=b"\x00\xff", content_type=media_type)
    assert broken.status_code in (400, 422)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_the_limits_hold_in_every_format(make_client: MakeClient, media_type: str) -> None:
    assert post(make_client(MAX_BATCH_ROWS="3"), media_type).status_code == 200
    assert post(make_client(MAX_BATCH_ROWS="2"), media_type).status_code == 413
    small = make_client(MAX_REQUEST_BYTES="1024")
    for size, statuses in ((1024, {400, 422}), (1025, {413})):
        response = small.post("/predict/batch", data=b" " * size, content_type=media_type)
        assert response.status_code in statuses


def test_a_batch_that_does_not_tell_its_length_is_limited_all_the_same(make_client: MakeClient) -> None:
    client = make_client(MAX_REQUEST_BYTES="2048")
    for size, status in ((2048, 422), (2049, 413), (10_000, 413)):
        response = client.post(
            "/predict/batch",
            input_stream=BytesIO(b"\n" * size),
            content_type=NDJSON,
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert response.status_code == status, response.text


def test_without_a_model_a_batch_may_come_again(make_client: MakeClient) -> None:
    response = post(make_client(FakeModelSource(wanted=None)), CSV)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0


def test_the_document_names_every_format(client: FlaskClient) -> None:
    operation = client.get("/openapi.json").json["paths"]["/predict/batch"]["post"]
    assert set(operation["requestBody"]["content"]) == set(MEDIA_TYPES)
    assert set(operation["responses"]["200"]["content"]) == set(MEDIA_TYPES)
    assert operation["requestBody"]["required"]
    assert {"406", "408", "413", "415", "503"} <= set(operation["responses"])


def test_batches_are_counted_in_every_format(
    client: FlaskClient, metrics_credentials: Callable[[], tuple[str, str]]
) -> None:
    for media_type in MEDIA_TYPES:
        post(client, media_type)
    text = client.get("/metrics", auth=metrics_credentials()).text
    assert 'loan_predictions_total{endpoint="batch",model_version="1.0.0",outcome="approved"} 10.0' in text
    assert 'loan_prediction_probability_bucket{le="0.1",model_version="1.0.0"} 5.0' in text
    assert 'loan_prediction_probability_count{model_version="1.0.0"} 15.0' in text
    assert 'loan_prediction_probability_sum{model_version="1.0.0"} 7.5' in text


def test_a_late_worker_refuses_single_requests_only(
    make_client: MakeClient,
    metrics_credentials: Callable[[], tuple[str, str]],
) -> None:
    client = make_client(shedder=LoadShedder(-1, lambda: 1))
    assert client.post("/predict", json=application()).status_code == 200
    refused = client.post("/predict", json=application())
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.json["type"] == "urn:loan-api:problem:saturated"
    for path in ("/health", "/health/live", "/health/ready", "/model"):
        assert client.get(path).status_code == 200
    assert client.get("/metrics", auth=metrics_credentials()).status_code == 200


def test_a_batch_without_room_is_refused(make_client: MakeClient) -> None:
    budget = ByteBudget(1, queue_length=0, patience=0)
    with budget.holding() as other:
        other.grow(1)
        refused = post(make_client(budget=budget), JSON)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"


@pytest.mark.parametrize("accept", ["text/csv; charset=utf-8", "text/csv;header=present;q=0.9, application/json;q=0.1"])
def test_what_is_said_of_a_wanted_format_beside_its_name_does_not_matter(client: FlaskClient, accept: str) -> None:
    assert post(client, JSON, Accept=accept).mimetype == CSV


@pytest.mark.parametrize("media_type", [NDJSON, CSV])
def test_what_the_document_shows_as_a_body_is_one(client: FlaskClient, media_type: str) -> None:
    operation = client.get("/openapi.json").json["paths"]["/predict/batch"]["post"]
    shown = operation["requestBody"]["content"][media_type]["schema"]["example"]
    response = client.post("/predict/batch", data=shown, content_type=media_type)
    assert response.status_code == 200, response.text
