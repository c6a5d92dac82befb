"""Request ids and log lines of every request."""

import logging
import uuid

import pytest
from flask.testing import FlaskClient

from tests.api.conftest import MakeClient
from tests.support.applications import ASSESSMENT_BATCH, application
from tests.support.fakes import FakeKeySource, FakeModelSource, api_key


def request_lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "loan_api.request"]


@pytest.mark.parametrize("given", ["abc-123", "A.b_c:9", "x" * 128])
def test_a_sane_request_id_is_taken_over(client: FlaskClient, given: str) -> None:
    assert client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "with space", "<script>", "ü", '"'])
def test_any_other_request_id_is_replaced(client: FlaskClient, given: str) -> None:
    made = client.get("/health", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert uuid.UUID(made).version == 7


@pytest.mark.parametrize(
    ("query", "status"), [("batc\x9f", 200), ("reasons=\xff", 422), ("reasons=true&\xc3\xbc=1", 200)]
)
def test_a_query_that_is_not_encoded_is_read_as_if_it_were(client: FlaskClient, query: str, status: int) -> None:
    response = client.post("/predict", json=application(), environ_overrides={"QUERY_STRING": query})
    assert response.status_code == status


def test_a_request_is_one_log_line_with_what_is_needed_to_find_it(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    response = client.post("/predict", json=application(), headers={"X-Request-ID": "find-me"})
    (line,) = request_lines(caplog)
    assert (line.request_id, line.method, line.route, line.status) == ("find-me", "POST", "/predict", 200)  # type: ignore[attr-defined]
    assert line.decision_id == response.json["decision_id"]  # type: ignore[attr-defined]
    assert line.model_version == "1.0.0"  # type: ignore[attr-defined]
    assert line.duration_ms >= 0  # type: ignore[attr-defined]


def test_a_batch_s_log_line_names_the_batch_and_its_size(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    response = client.post("/predict/batch", json=ASSESSMENT_BATCH)
    (line,) = request_lines(caplog)
    assert (line.batch_id, line.rows) == (response.json["batch_id"], 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
@pytest.mark.parametrize("wanted", ["1", None])
def test_health_probes_are_logged_at_debug_only(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture, path: str, wanted: str | None
) -> None:
    client = make_client(FakeModelSource(wanted=wanted))
    caplog.set_level(logging.DEBUG)
    client.get(path)
    (line,) = request_lines(caplog)
    assert (line.levelname, line.__dict__["route"]) == ("DEBUG", path)


@pytest.mark.parametrize("path", ["/model", "/health/other", "/docs"])
def test_other_requests_are_logged_at_info(client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str) -> None:
    caplog.set_level(logging.DEBUG)
    client.get(path)
    (line,) = request_lines(caplog)
    assert line.levelname == "INFO"


def test_an_unknown_path_is_not_logged(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client.get("/customers/4711")
    (line,) = request_lines(caplog)
    assert line.route == "unmatched"  # type: ignore[attr-defined]
    assert "4711" not in str(line.__dict__)


def test_a_defect_is_logged_under_its_route_not_its_path(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(keys=FakeKeySource([api_key("auditor", "audit")]))
    asked = "018e3765-c1c0-7cc4-8f1a-0e6ba4d6b0a1"
    assert client.get(f"/decisions/{asked}", headers={"X-API-Key": "auditor"}).status_code == 500
    (line,) = [record for record in caplog.records if record.message == "unexpected error"]
    assert line.__dict__["route"] == "/decisions/<decision_id>"
    assert asked not in str(line.__dict__)
