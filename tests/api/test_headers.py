"""Security and caching headers of every response."""

import pytest
from flask.testing import FlaskClient

from tests.support.applications import application


@pytest.mark.parametrize("path", ["/health", "/model", "/openapi.json", "/docs", "/nowhere", "/metrics"])
def test_no_answer_is_guessed_at_or_kept(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers.getlist("Cache-Control") == ["no-store"]


def test_no_decision_is_kept_either(client: FlaskClient) -> None:
    assert client.post("/predict", json=application()).headers.getlist("Cache-Control") == ["no-store"]
    assert client.post("/predict", json={}).headers.getlist("Cache-Control") == ["no-store"]


def test_the_page_takes_nothing_from_elsewhere_and_is_not_framed(client: FlaskClient) -> None:
    policy = client.get("/docs").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_page_s_files_may_be_kept(client: FlaskClient) -> None:
    with client.get("/docs/assets/swagger-ui.css") as answer:
        assert "max-age" in answer.headers["Cache-Control"]
        assert "no-store" not in answer.headers["Cache-Control"]
