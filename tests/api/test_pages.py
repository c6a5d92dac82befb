"""Health, model information, the OpenAPI document and Swagger UI."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from werkzeug.test import Client

from loan_api.entrypoints.commands import cli
from loan_api.services.decision_log import LogState
from tests.api.conftest import MakeClient
from tests.support.fakes import FakeLog, FakeModelSource
from tests.support.forms import SHIPPED
from tests.support.openapi import operations_of


def enumerated(part: Any) -> Iterator[list[Any]]:
    """Yield every list of allowed values in a part of a document."""
    if isinstance(part, dict):
        if isinstance(part.get("enum"), list):
            yield part["enum"]
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from enumerated(item)


def _unnamed(schemas: dict[str, Any]) -> dict[str, Any]:
    return {name: schema for name, schema in schemas.items() if "enum" not in schema}


class TestHealth:
    def test_a_healthy_service_answers_as_documented(self, client: FlaskClient) -> None:
        response = client.get("/health")
        assert response.status_code == 200
        assert response.json == {
            "status": "healthy",
            "checks": {
                "model_loaded": True,
                "api_status": "ok",
                "model_version": "1.0.0",
                "timestamp": "2024-03-13T10:30:00Z",
                "database": "ok",
                "decision_log": "ok",
                "registry": "ok",
                "access": "ok",
                "policy": "ok",
            },
        }
        assert list(response.json) == ["status", "checks"]

    def test_a_degraded_service_still_answers_200(self, make_client: MakeClient) -> None:
        response = make_client(log=FakeLog(LogState("journal", 12, "it is away"))).get("/health")
        assert (response.status_code, response.json["status"]) == (200, "degraded")
        assert response.json["checks"]["database"] == "it is away"

    def test_without_a_model_it_lives_but_is_not_ready(self, make_client: MakeClient) -> None:
        client = make_client(FakeModelSource(wanted=None))
        response = client.get("/health")
        assert (response.status_code, response.json["status"]) == (503, "unhealthy")
        assert response.json["checks"]["model_version"] == "none"
        assert response.json["checks"]["model_loaded"] is False
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503

    def test_with_a_model_it_is_ready(self, client: FlaskClient) -> None:
        assert client.get("/health/ready").status_code == 200


class TestModel:
    def test_it_says_what_is_served(self, client: FlaskClient) -> None:
        body = client.get("/model").json
        expected = {
            "name": "loan_approval_model",
            "version": "1.0.0",
            "registry_version": "1",
            "stage": "Production",
            "aliases": ["champion"],
            "algorithm": "decision_tree",
            "scorer": "fake",
            "threshold": 0.5,
            "metrics": {"f1": 0.99},
            "dataset_digest": "d" * 64,
            "run_id": "r" * 32,
            "git_commit": "c" * 40,
            "loaded_at": "2024-03-13T10:30:00Z",
        }
        assert expected.items() <= body.items()

    def test_it_lists_every_feature_with_its_limits(self, client: FlaskClient) -> None:
        features = {feature["name"]: feature for feature in client.get("/model").json["features"]}
        assert list(features) == [feature.name for feature in SHIPPED.features]
        assert (
            features["cibil_score"].items()
            >= {
                "type": "integer",
                "unit": "points",
                "minimum": 300,
                "maximum": 900,
            }.items()
        )
        assert features["education"]["allowed_values"] == ["Graduate", "Not Graduate", "Post Graduate"]


class TestOpenApi:
    def test_the_document_is_valid_openapi_3_0_3(self, client: FlaskClient) -> None:
        document: Any = client.get("/openapi.json").json
        validate(document)
        assert document["openapi"] == "3.0.3"

    def test_every_operation_can_become_a_well_named_method(self, client: FlaskClient) -> None:
        operations = [operation for _, _, operation in operations_of(client.get("/openapi.json").json)]
        assert sorted(operation["operationId"] for operation in operations) == [
            "claimReview",
            "decideReview",
            "getDecision",
            "getHealth",
            "getLiveness",
            "getMetrics",
            "getModel",
            "getReadiness",
            "getReasons",
            "getWhatIf",
            "listDecisions",
            "listKeys",
            "listReviews",
            "predict",
            "predictBatch",
            "recordOutcome",
            "recordOutcomes",
        ]
        assert all(operation["summary"] and operation["tags"] for operation in operations)

    def test_summaries_are_headings_and_descriptions_are_flowing_text(self, client: FlaskClient) -> None:
        document = client.get("/openapi.json").json
        operations = [operation for _, _, operation in operations_of(document)]
        assert [o["summary"] for o in operations if o["summary"].endswith(".") or "\n" in o["summary"]] == []
        texts = [
            *(operation["description"] for operation in operations),
            *(schema["description"] for schema in document["components"]["schemas"].values()),
        ]
        # Swagger UI renders a newline within a paragraph as a line break.
        assert [text for text in texts if re.search(r"[^\n]\n[^\n-]", text)] == []

    def test_an_application_is_documented_from_the_feature_declarations(self, client: FlaskClient) -> None:
        schemas = client.get("/openapi.json").json["components"]["schemas"]
        schema = schemas["LoanApplication"]
        assert schema["additionalProperties"] is False
        assert set(schema["required"]) == {feature.name for feature in SHIPPED.features}
        for number in SHIPPED.numbers:
            documented = schema["properties"][number.name]
            assert documented["type"] == ("integer" if number.whole else "number")
            assert (documented["minimum"], documented["maximum"]) == (number.minimum, number.maximum)
            assert number.unit in documented["description"]
            assert documented["example"] == number.example
        assert schema["properties"]["education"]["allOf"] == [{"$ref": "#/components/schemas/Education"}]
        assert schemas["Education"]["enum"] == ["Graduate", "Not Graduate", "Post Graduate"]

    def test_every_schema_is_one_of_ours_and_used(self, client: FlaskClient) -> None:
        response = client.get("/openapi.json")
        text = response.get_data(as_text=True)
        for name in response.json["components"]["schemas"]:
            assert f"#/components/schemas/{name}" in text, f"{name} is never used"

    def test_every_schema_is_described(self, client: FlaskClient) -> None:
        schemas = client.get("/openapi.json").json["components"]["schemas"]
        assert [name for name, schema in schemas.items() if not schema.get("description")] == []

    def test_closed_sets_of_values_have_types_with_named_members(self, client: FlaskClient) -> None:
        document = client.get("/openapi.json").json
        schemas = document["components"]["schemas"]
        named = {name: schema for name, schema in schemas.items() if "enum" in schema}
        assert dict(zip(schemas["Decision"]["x-enum-varnames"], schemas["Decision"]["enum"], strict=True)) == {
            "REJECTED": 0,
            "APPROVED": 1,
        }
        for name, schema in named.items():
            assert len(schema["x-enum-varnames"]) == len(schema["enum"]), name
            assert all(member.isidentifier() and member.isupper() for member in schema["x-enum-varnames"]), name
        # Anywhere else, an enumeration would have no name; null alone needs none.
        assert [
            values for values in enumerated({"paths": document["paths"], **_unnamed(schemas)}) if values != [None]
        ] == []

    def test_every_answer_names_the_request(self, client: FlaskClient) -> None:
        for path, method, operation in operations_of(client.get("/openapi.json").json):
            assert operation["responses"]
            for status, response in operation["responses"].items():
                assert "X-Request-ID" in response["headers"], (method, path, status)
                problem = response["content"].get("application/problem+json")
                if problem is not None and status != "422":
                    assert problem["example"]["status"] == int(status)

    def test_a_command_writes_the_same_document_without_a_service(self, client: FlaskClient, tmp_path: Path) -> None:
        file = tmp_path / "openapi.json"
        written = CliRunner().invoke(cli, ["openapi", str(file)], env={"LOAN_HOME": str(tmp_path / "home")})
        assert written.exit_code == 0, written.output
        assert json.loads(file.read_text(encoding="utf-8")) == client.get("/openapi.json").json
        assert not (tmp_path / "home").exists()

    def test_errors_are_documented_as_problem_details(self, client: FlaskClient) -> None:
        responses = client.get("/openapi.json").json["paths"]["/predict"]["post"]["responses"]
        assert set(responses) == {"200", "400", "401", "403", "408", "409", "413", "415", "422", "500", "503"}
        for status in set(responses) - {"200"}:
            assert list(responses[status]["content"]) == ["application/problem+json"]
        assert "Retry-After" in responses["503"]["headers"]


HEADERS_OF_PROXIES = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "//evil.example",
    "X-Script-Name": "//evil.example",
    "Forwarded": "host=evil.example",
}


@pytest.fixture(params=["", "/loans", "/a/b"])
def behind_proxy(request: pytest.FixtureRequest, client: FlaskClient) -> tuple[str, Client]:
    """Return a path prefix and a client of a proxy that strips it and sends misleading headers."""
    prefix: str = request.param
    service = client.application.wsgi_app

    def proxy(environ: Any, start_response: Any) -> Any:
        assert environ["PATH_INFO"].startswith(f"{prefix}/")
        return service({**environ, "PATH_INFO": environ["PATH_INFO"].removeprefix(prefix)}, start_response)

    return prefix, Client(proxy)


class TestSwaggerUi:
    @pytest.mark.parametrize("path", ["/docs", "/docs/"])
    def test_the_page_its_assets_and_its_document_are_found_behind_any_prefix(
        self, behind_proxy: tuple[str, Client], path: str
    ) -> None:
        prefix, client = behind_proxy
        url = f"{prefix}{path}"
        page = client.get(url, headers=HEADERS_OF_PROXIES)
        if page.status_code == 302:
            url = urljoin(url, page.headers["Location"])
            page = client.get(url, headers=HEADERS_OF_PROXIES)
        assert (page.status_code, url) == (200, f"{prefix}/docs")
        text = page.get_data(as_text=True)
        assert not re.search(r"https?://|evil", text)
        (document,) = re.findall(r'"url": "([^"]+)"', text)
        references = [*re.findall(r'(?:src|href)="([^"]+)"', text), document]
        assert len(references) >= 4
        for reference in references:
            with client.get(urljoin(url, reference)) as response:
                assert response.status_code == 200
        document_url = urljoin(url, document)
        (server,) = client.get(document_url, headers=HEADERS_OF_PROXIES).json["servers"]
        assert urljoin(document_url, server["url"]) == f"{prefix}/"

    @pytest.mark.parametrize(("path", "location"), [("/", "./desk"), ("/docs/", "../docs")])
    def test_redirects_are_relative_whatever_the_client_claims(
        self, client: FlaskClient, path: str, location: str
    ) -> None:
        response = client.get(f"http://evil.example{path}", headers=HEADERS_OF_PROXIES)
        assert (response.status_code, response.headers["Location"]) == (302, location)
        assert "evil" not in response.get_data(as_text=True)

    def test_browsers_find_an_icon_for_other_pages(self, client: FlaskClient) -> None:
        with client.get("/favicon.ico") as response:
            assert response.status_code == 200

    @pytest.mark.parametrize("name", ["../__init__.py", "%2e%2e/__init__.py", "nope.js"])
    def test_only_assets_are_served(self, client: FlaskClient, name: str) -> None:
        assert client.get(f"/docs/assets/{name}").status_code == 404
