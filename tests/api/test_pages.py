"""Health, model information, the OpenAPI document and Swagger UI."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from loan_api.credit.features import FEATURES, NUMBERS
from loan_api.entrypoints.commands import cli
from loan_api.services.decision_log import LogState
from tests.api.conftest import MakeClient
from tests.support.fakes import FakeLog, FakeModelSource


def enumerated(part: Any) -> Iterator[list[Any]]:
    """Every list of allowed values in a part of a document."""
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
        assert list(features) == [feature.name for feature in FEATURES]
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
        paths = client.get("/openapi.json").json["paths"]
        operations = [each for path in paths.values() for name, each in path.items() if name != "parameters"]
        assert sorted(operation["operationId"] for operation in operations) == [
            "getDecision",
            "getHealth",
            "getLiveness",
            "getMetrics",
            "getModel",
            "getReadiness",
            "listDecisions",
            "listKeys",
            "predict",
            "predictBatch",
            "recordOutcome",
            "recordOutcomes",
        ]
        assert all(operation["summary"] and operation["tags"] for operation in operations)

    def test_an_application_is_documented_from_the_feature_declarations(self, client: FlaskClient) -> None:
        schemas = client.get("/openapi.json").json["components"]["schemas"]
        schema = schemas["LoanApplication"]
        assert schema["additionalProperties"] is False
        assert set(schema["required"]) == {feature.name for feature in FEATURES}
        for number in NUMBERS:
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
        for path in client.get("/openapi.json").json["paths"].values():
            for operation in (each for name, each in path.items() if name != "parameters"):
                for response in operation["responses"].values():
                    assert "X-Request-ID" in response["headers"]

    def test_a_command_writes_the_same_document_without_a_service(self, client: FlaskClient, tmp_path: Path) -> None:
        file = tmp_path / "openapi.json"
        written = CliRunner().invoke(cli, ["openapi", str(file)], env={"LOAN_HOME": str(tmp_path / "home")})
        assert written.exit_code == 0, written.output
        assert json.loads(file.read_text(encoding="utf-8")) == client.get("/openapi.json").json
        assert not (tmp_path / "home").exists()

    def test_errors_are_documented_as_problem_details(self, client: FlaskClient) -> None:
        responses = client.get("/openapi.json").json["paths"]["/predict"]["post"]["responses"]
        assert set(responses) == {"200", "400", "401", "403", "408", "413", "415", "422", "500", "503"}
        for status in set(responses) - {"200"}:
            assert list(responses[status]["content"]) == ["application/problem+json"]
        assert "Retry-After" in responses["503"]["headers"]


class TestSwaggerUi:
    def test_the_page_and_its_assets_come_from_the_service_itself(self, client: FlaskClient) -> None:
        page = client.get("/docs")
        assert page.status_code == 200
        text = page.get_data(as_text=True)
        assert not re.search(r"https?://", text)
        assets = re.findall(r'(?:src|href)="([^"]+)"', text)
        assert len(assets) >= 3
        for asset in (*assets, "/favicon.ico"):
            response = client.get(asset)
            assert response.status_code == 200
            response.close()

    @pytest.mark.parametrize("name", ["../__init__.py", "%2e%2e/__init__.py", "nope.js"])
    def test_only_assets_are_served(self, client: FlaskClient, name: str) -> None:
        assert client.get(f"/docs/assets/{name}").status_code == 404
