"""API keys over HTTP: open and protected endpoints, refusals, and keys that never leak."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loan_api.adapters.keys.file import add_key
from loan_api.app import create_app
from loan_api.settings import SettingsError, read_settings
from tests.api.conftest import MakeClient
from tests.support.applications import ASSESSMENT_BATCH, application
from tests.support.fakes import NOW, FakeKeySource, api_key
from tests.support.openapi import operations_of
from tests.support.scraping import Credentials, labelled, scrape

SHOP, AUDITOR, BOSS = "loan_of-the-shop", "loan_of-the-auditor", "loan_of-the-boss"
KEYS = (
    api_key("shop", "score", text=SHOP),
    api_key("auditor", "audit", text=AUDITOR),
    api_key("boss", "admin", text=BOSS),
)
UNKNOWN = "loan_of-nobody"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def closed(make_client: MakeClient) -> FlaskClient:
    """Return a client of a service with three keys."""
    return make_client(keys=FakeKeySource(KEYS))


def predict(client: FlaskClient, headers: dict[str, str] | None = None) -> Any:
    return client.post("/predict", json=application(), headers=headers)


def predict_batch(client: FlaskClient, headers: dict[str, str] | None = None) -> Any:
    return client.post("/predict/batch", json=ASSESSMENT_BATCH, headers=headers)


def list_keys(client: FlaskClient, headers: dict[str, str] | None = None) -> Any:
    return client.get("/keys", headers=headers)


SCORING = [predict, predict_batch]
Ask = Callable[..., Any]


class TestOpen:
    @pytest.mark.parametrize("ask", SCORING)
    @pytest.mark.parametrize("headers", [{}, bearer(UNKNOWN), {"X-API-Key": UNKNOWN}])
    def test_without_a_file_scoring_requires_no_key(
        self, client: FlaskClient, ask: Ask, headers: dict[str, str]
    ) -> None:
        assert ask(client, headers).status_code == 200

    @pytest.mark.parametrize("headers", [{}, bearer(UNKNOWN)])
    def test_without_a_file_everything_else_is_a_403_with_the_reason(
        self, client: FlaskClient, headers: dict[str, str]
    ) -> None:
        response = list_keys(client, headers)
        assert response.status_code == 403
        assert response.content_type == "application/problem+json"
        assert response.json["type"] == "urn:loan-api:problem:not-allowed"
        assert "API_KEYS_FILE is not set" in response.json["detail"]

    @pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/model", "/docs", "/openapi.json"])
    def test_health_and_documents_stay_open(self, closed: FlaskClient, path: str) -> None:
        assert closed.get(path).status_code == 200

    def test_metrics_keep_their_own_password(self, closed: FlaskClient, metrics_credentials: Credentials) -> None:
        assert closed.get("/metrics", headers=bearer(BOSS)).status_code == 401
        assert closed.get("/metrics", auth=metrics_credentials()).status_code == 200


class TestClosed:
    @pytest.mark.parametrize("ask", SCORING)
    @pytest.mark.parametrize("key", [SHOP, BOSS])
    def test_a_key_with_the_scope_is_let_in_either_way(self, closed: FlaskClient, ask: Ask, key: str) -> None:
        for headers in (
            bearer(key),
            {"X-API-Key": key},
            {"Authorization": f"bearer   {key} "},
            {"Authorization": "Basic abc", "X-API-Key": key},
            {"Authorization": "Bearer of-the-gateway", "X-API-Key": key},
        ):
            assert ask(closed, headers).status_code == 200

    @pytest.mark.parametrize("ask", [*SCORING, list_keys])
    def test_missing_and_unknown_keys_get_the_same_401(self, closed: FlaskClient, ask: Ask) -> None:
        answers = []
        for headers in (
            {},
            {"Authorization": ""},
            {"Authorization": "Bearer"},
            {"Authorization": SHOP},
            {"Authorization": f"Basic {BOSS}"},
            {"Authorization": f"Basic {BOSS}", "X-API-Key": ""},
            {"X-API-Key": f"Bearer {BOSS}"},
            {"Authorization": f"Bearer {BOSS}", "X-API-Key": UNKNOWN},
            bearer(UNKNOWN),
            bearer(BOSS[:-1]),
            bearer(BOSS + "x"),
            bearer(BOSS.upper()),
        ):
            response = ask(closed, {"X-Request-ID": "same", **headers})
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="loan-api"'
            assert response.content_type == "application/problem+json"
            answers.append(response.get_data())
        assert len(set(answers)) == 1

    @pytest.mark.parametrize(("ask", "key"), [(predict, AUDITOR), (predict_batch, AUDITOR), (list_keys, SHOP)])
    def test_a_key_without_the_scope_gets_a_403_that_names_it(self, closed: FlaskClient, ask: Ask, key: str) -> None:
        response = ask(closed, bearer(key))
        assert response.status_code == 403
        assert "WWW-Authenticate" not in response.headers
        assert response.json["detail"].startswith("This requires an API key with the scope ")

    def test_an_empty_list_of_keys_refuses_everyone(self, make_client: MakeClient) -> None:
        client = make_client(keys=FakeKeySource(()))
        assert predict(client).status_code == 401
        assert list_keys(client, bearer(BOSS)).status_code == 401

    @pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
    def test_requests_are_refused_before_their_body_is_read(self, closed: FlaskClient, path: str) -> None:
        for body, content_type in (
            (b"{", "application/json"),
            (b"x", "text/plain"),
            (b"x" * 2**21, "application/json"),
        ):
            assert closed.post(path, data=body, content_type=content_type).status_code == 401

    def test_keys_come_and_go_while_it_serves(self, make_client: MakeClient) -> None:
        source = FakeKeySource(KEYS)
        client = make_client(keys=source)
        source.keys = (KEYS[2],)
        assert predict(client, bearer(SHOP)).status_code == 401
        assert [key["name"] for key in list_keys(client, bearer(BOSS)).json["keys"]] == ["boss"]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
    @given(text=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0")))
    def test_any_other_credentials_are_a_401(self, closed: FlaskClient, text: str) -> None:
        for variable, value in (("HTTP_X_API_KEY", text), ("HTTP_AUTHORIZATION", f"Bearer {text}")):
            response = closed.post("/predict", json=application(), environ_overrides={variable: value})
            assert response.status_code == 401


def test_the_keys_in_force_are_listed_without_the_keys(closed: FlaskClient) -> None:
    response = list_keys(closed, bearer(BOSS))
    assert response.status_code == 200
    assert response.json == {
        "keys": [
            {"name": "shop", "scopes": ["score"], "created_at": "2024-03-13T10:30:00Z"},
            {"name": "auditor", "scopes": ["audit"], "created_at": "2024-03-13T10:30:00Z"},
            {"name": "boss", "scopes": ["admin"], "created_at": "2024-03-13T10:30:00Z"},
        ]
    }


def test_a_problem_with_the_file_degrades_the_health(make_client: MakeClient) -> None:
    response = make_client(keys=FakeKeySource(KEYS, "it is not JSON")).get("/health")
    assert (response.status_code, response.json["status"]) == (200, "degraded")
    assert response.json["checks"]["access"] == "it is not JSON"


class TestLog:
    def test_a_request_s_line_names_its_key(self, closed: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        for ask in SCORING:
            caplog.clear()
            ask(closed, bearer(SHOP))
            (line,) = [record for record in caplog.records if record.name == "loan_api.request"]
            assert (line.api_key, line.model_version) == ("shop", "1.0.0")  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("headers", "reason", "name"),
        [
            ({}, "missing_key", None),
            (bearer(UNKNOWN), "unknown_key", None),
            (bearer(AUDITOR), "missing_scope", "auditor"),
        ],
    )
    def test_a_refusal_is_logged_as_a_warning_with_its_reason(
        self,
        closed: FlaskClient,
        caplog: pytest.LogCaptureFixture,
        headers: dict[str, str],
        reason: str,
        name: str | None,
    ) -> None:
        caplog.set_level(logging.INFO)
        predict(closed, {"X-Request-ID": "find-me", **headers})
        warning, line = caplog.records
        assert warning.levelname == "WARNING"
        assert (warning.request_id, warning.route, warning.reason) == ("find-me", "/predict", reason)  # type: ignore[attr-defined]
        for record in (warning, line):
            assert getattr(record, "api_key", None) == name

    def test_no_key_is_ever_logged(self, closed: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        for ask in (*SCORING, list_keys):
            for key in (SHOP, AUDITOR, BOSS, UNKNOWN):
                for headers in (bearer(key), {"X-API-Key": key}):
                    ask(closed, headers)
        assert len(caplog.records) >= 24
        assert "loan_of" not in str([vars(record) for record in caplog.records])


def test_refusals_are_counted_by_reason(
    closed: FlaskClient, make_client: MakeClient, metrics_credentials: Credentials
) -> None:
    def counts(client: FlaskClient) -> dict[str, float]:
        samples = scrape(client, metrics_credentials)
        reasons = ("missing_key", "unknown_key", "missing_scope", "not_configured")
        return {reason: samples[labelled("loan_access_refusals_total", reason=reason)] for reason in reasons}

    none = dict.fromkeys(("missing_key", "unknown_key", "missing_scope", "not_configured"), 0.0)
    assert counts(closed) == none
    for headers in ({}, bearer(UNKNOWN), bearer(UNKNOWN), bearer(AUDITOR), bearer(SHOP)):
        predict(closed, headers)
    assert counts(closed) == {**none, "missing_key": 1, "unknown_key": 2, "missing_scope": 1}
    client = make_client()
    list_keys(client)
    assert counts(client) == {**none, "not_configured": 1}


class TestOpenApi:
    def test_both_ways_to_present_a_key_are_declared(self, client: FlaskClient) -> None:
        schemes = client.get("/openapi.json").json["components"]["securitySchemes"]
        assert schemes["apiKeyBearer"].items() >= {"type": "http", "scheme": "bearer"}.items()
        assert schemes["apiKeyHeader"].items() >= {"type": "apiKey", "in": "header", "name": "X-API-Key"}.items()
        assert schemes["metricsBasicAuth"].items() >= {"type": "http", "scheme": "basic"}.items()

    def test_every_operation_declares_its_security(self, client: FlaskClient) -> None:
        keys: list[dict[str, list[str]]] = [{"apiKeyBearer": []}, {"apiKeyHeader": []}]
        for path, _, operation in operations_of(client.get("/openapi.json").json):
            scope = operation.get("x-required-scope")
            if path == "/metrics":
                assert operation["security"] == [{"metricsBasicAuth": []}]
            elif scope is None:
                assert "security" not in operation
            else:
                assert operation["security"] == ([*keys, {}] if scope == "score" else keys)
                assert {"401", "403"} <= set(operation["responses"])
                assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]

    def test_every_operation_enforces_the_scope_that_it_declares(self, make_client: MakeClient) -> None:
        """Check for every operation that only a key with its scope is accepted."""
        client = make_client(keys=FakeKeySource([api_key(scope, scope) for scope in ("score", "audit", "admin")]))
        for path, method, operation in operations_of(client.get("/openapi.json").json):
            if path == "/metrics":
                continue
            scope = operation.get("x-required-scope")
            target = path.replace("{", "").replace("}", "")

            def status(key: str | None, target: str = target, method: str = method) -> int:
                headers = {"X-API-Key": key} if key else {}
                return client.open(target, method=method.upper(), headers=headers).status_code

            assert (status(None) == 401) == (scope is not None), path
            for key in ("score", "audit"):
                assert (status(key) == 403) == (scope not in (None, key)), path
            assert status("admin") not in (401, 403), path


class TestStart:
    def test_it_does_not_start_without_the_configured_file(self, tmp_path: Path) -> None:
        missing = tmp_path / "keys.json"
        with pytest.raises(SettingsError, match=str(missing)):
            create_app(read_settings({"LOAN_HOME": str(tmp_path), "API_KEYS_FILE": str(missing)}))

    def test_it_does_not_start_with_a_malformed_file(self, tmp_path: Path) -> None:
        file = tmp_path / "keys.json"
        add_key(file, "shop", ["score"], NOW)
        file.write_text(file.read_text(encoding="utf-8")[:-5], encoding="utf-8")
        with pytest.raises(SettingsError, match=f"API_KEYS_FILE names {file}.*not JSON"):
            create_app(read_settings({"LOAN_HOME": str(tmp_path), "API_KEYS_FILE": str(file)}))
