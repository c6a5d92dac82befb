"""Bad input, with a test for every row of the contract's table: status, shape, pointer, and no leaked values."""

import json
import logging
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from loan_api.settings import read_settings
from tests.api.conftest import MakeClient
from tests.support.applications import application, application_without
from tests.support.fakes import BrokenScorer, FakeModelSource, model_version
from tests.support.forms import SHIPPED
from tests.support.services import client_of


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Return a client shared by all tests, as refused requests leave no state."""
    return client_of(read_settings({"LOAN_HOME": str(tmp_path_factory.mktemp("home"))}))


def assert_problem(response: TestResponse, status: int) -> Any:
    """Check that the response is a complete problem document with `status`."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    body: Any = response.json
    assert body["status"] == status
    assert {"type", "title", "detail", "request_id"} <= set(body)
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


def pointers(response: TestResponse) -> list[str]:
    return [error["pointer"] for error in assert_problem(response, 422)["errors"]]


def post_raw(client: FlaskClient, body: bytes | str, content_type: str | None = "application/json") -> TestResponse:
    return client.post("/predict", data=body, content_type=content_type)


class TestNotJson:
    @pytest.mark.parametrize(
        "body",
        ["", "{", "not json", '{"a": 1,}', b"\xff\xfe\xfa", "[" * 16_000, '{"a": ' + "1" * 5000 + "}"],
        ids=["empty", "cut", "words", "comma", "bytes", "deep", "long number"],
    )
    def test_what_cannot_be_read_is_a_400(self, client: FlaskClient, body: bytes | str) -> None:
        problem = assert_problem(post_raw(client, body), 400)
        assert problem["title"] == "Bad Request"
        assert problem["type"] == "about:blank"

    @pytest.mark.parametrize("content_type", [None, "text/plain", "text/csv", "application/x-www-form-urlencoded"])
    def test_another_media_type_is_a_415(self, client: FlaskClient, content_type: str | None) -> None:
        assert_problem(post_raw(client, json.dumps(application()), content_type), 415)


class TestInvalid:
    @pytest.mark.parametrize("name", SHIPPED.names)
    def test_a_missing_field(self, client: FlaskClient, name: str) -> None:
        assert pointers(client.post("/predict", json=application_without(name))) == [f"/{name}"]

    @pytest.mark.parametrize("name", SHIPPED.names)
    def test_a_null_field(self, client: FlaskClient, name: str) -> None:
        assert pointers(client.post("/predict", json=application(**{name: None}))) == [f"/{name}"]

    @pytest.mark.parametrize("name", ["loan_id", "Income_annum", "a/b", ""])
    def test_an_unknown_field(self, client: FlaskClient, name: str) -> None:
        assert pointers(client.post("/predict", json=application(**{name: 1}))) == [f"/{name.replace('/', '~1')}"]

    @pytest.mark.parametrize("value", ["5", "", True, False, [5], {"value": 5}], ids=repr)
    @pytest.mark.parametrize("name", [number.name for number in SHIPPED.numbers])
    def test_a_number_that_is_none(self, client: FlaskClient, name: str, value: object) -> None:
        assert pointers(client.post("/predict", json=application(**{name: value}))) == [f"/{name}"]

    @pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400])
    @pytest.mark.parametrize("name", [number.name for number in SHIPPED.numbers])
    def test_a_number_beyond_all_numbers(self, client: FlaskClient, name: str, literal: str) -> None:
        body = json.dumps(application(**{name: "@"})).replace('"@"', literal)
        assert pointers(post_raw(client, body)) == [f"/{name}"]

    @pytest.mark.parametrize("number", SHIPPED.numbers, ids=lambda number: number.name)
    def test_a_number_out_of_range(self, client: FlaskClient, number: Any) -> None:
        for value in (number.minimum - 1, number.maximum + 1):
            response = client.post("/predict", json=application(**{number.name: value}))
            assert pointers(response) == [f"/{number.name}"]
            assert str(number.maximum) in response.json["errors"][0]["detail"]

    @pytest.mark.parametrize("name", [number.name for number in SHIPPED.numbers if number.whole])
    def test_a_fraction_where_whole_numbers_are_meant(self, client: FlaskClient, name: str) -> None:
        assert pointers(
            client.post("/predict", json=application(**{name: 5.7 if name != "cibil_score" else 600.5}))
        ) == [f"/{name}"]

    @pytest.mark.parametrize("value", ["PhD", "graduate", " Graduate", "", 1, True, ["Graduate"]], ids=repr)
    @pytest.mark.parametrize("name", [category.name for category in SHIPPED.categories])
    def test_a_category_that_is_not_allowed(self, client: FlaskClient, name: str, value: object) -> None:
        assert pointers(client.post("/predict", json=application(**{name: value}))) == [f"/{name}"]

    @pytest.mark.parametrize("body", ["[]", "1", '"text"', "null", "true", "NaN"])
    def test_json_that_is_not_an_object(self, client: FlaskClient, body: str) -> None:
        for path in ("/predict", "/predict/batch"):
            response = client.post(path, data=body, content_type="application/json")
            assert pointers(response) == [""]

    def test_all_errors_are_reported_at_once(self, client: FlaskClient) -> None:
        response = client.post("/predict", json=application_without("education") | {"cibil_score": 5, "extra": 1})
        assert sorted(pointers(response)) == ["/cibil_score", "/education", "/extra"]
        assert response.json["detail"] == "3 errors in the request."


class TestInvalidBatch:
    def test_an_error_points_at_its_row(self, client: FlaskClient) -> None:
        rows = [application() for _ in range(4)] + [application(loan_term="12")]
        rows[3]["cibil_score"] = 9999
        response = client.post("/predict/batch", json={"instances": rows})
        assert sorted(pointers(response)) == ["/instances/3/cibil_score", "/instances/4/loan_term"]

    @pytest.mark.parametrize("row", [None, 1, "row", [], True], ids=repr)
    def test_a_row_that_is_not_an_object(self, client: FlaskClient, row: object) -> None:
        response = client.post("/predict/batch", json={"instances": [application(), row]})
        assert pointers(response) == ["/instances/1"]

    @pytest.mark.parametrize("instances", [None, {}, "rows", 5, []], ids=repr)
    def test_instances_that_are_no_list_of_applications(self, client: FlaskClient, instances: object) -> None:
        assert pointers(client.post("/predict/batch", json={"instances": instances})) == ["/instances"]

    def test_a_missing_and_an_unknown_member(self, client: FlaskClient) -> None:
        response = client.post("/predict/batch", json={"rows": []})
        assert sorted(pointers(response)) == ["/instances", "/rows"]

    def test_the_list_of_errors_is_capped_and_says_so(self, client: FlaskClient) -> None:
        response = client.post("/predict/batch", json={"instances": [{}] * 50})
        assert len(pointers(response)) == 100
        assert response.json["detail"] == "550 errors in the request; the first 100 are listed."

    def test_a_batch_with_too_many_rows_is_a_413(self, client: FlaskClient) -> None:
        response = client.post("/predict/batch", json={"instances": [{}] * 10_001})
        assert assert_problem(response, 413)["detail"] == "The batch has 10001 rows; at most 10000 are accepted."


class TestOtherProblems:
    def test_a_body_that_is_too_large_is_a_413(self, make_client: MakeClient) -> None:
        client = make_client(MAX_REQUEST_BYTES="2048")
        assert_problem(post_raw(client, b" " * 2049), 413)

    def test_a_body_that_does_not_tell_its_length_is_limited_all_the_same(self, make_client: MakeClient) -> None:
        client = make_client(MAX_REQUEST_BYTES="2048")
        for size, status in ((2048, 400), (2049, 413), (10_000, 413)):
            response = client.post(
                "/predict",
                input_stream=BytesIO(b" " * size),
                content_type="application/json",
                headers={"Transfer-Encoding": "chunked"},
                environ_overrides={"wsgi.input_terminated": True},
            )
            assert_problem(response, status)

    @pytest.mark.parametrize("path", ["/predict//batch?cibil_score=777", "/health//live", "/docs//"])
    def test_a_misspelled_path_is_not_redirected_to_the_host_that_the_client_names(
        self, client: FlaskClient, path: str
    ) -> None:
        for method in ("GET", "POST"):
            answer = client.open(f"http://evil.example{path}", method=method)
            assert_problem(answer, 404)
            assert "Location" not in answer.headers

    def test_an_unknown_path_is_a_404(self, client: FlaskClient) -> None:
        assert_problem(client.get("/nope"), 404)

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/predict", {"POST", "OPTIONS"}),
            ("PUT", "/predict/batch", {"POST", "OPTIONS"}),
            ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
        ],
    )
    def test_a_wrong_method_is_a_405_that_says_what_is_allowed(
        self, client: FlaskClient, method: str, path: str, allowed: set[str]
    ) -> None:
        response = client.open(path, method=method)
        assert_problem(response, 405)
        assert set(response.headers["Allow"].split(", ")) == allowed

    @pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
    def test_without_a_model_it_is_a_503_that_says_when_to_return(self, make_client: MakeClient, path: str) -> None:
        client = make_client(FakeModelSource(wanted=None))
        body = application() if path == "/predict" else {"instances": [application()]}
        response = client.post(path, json=body)
        assert_problem(response, 503)
        assert int(response.headers["Retry-After"]) > 0

    def test_the_model_page_without_a_model_is_a_503(self, make_client: MakeClient) -> None:
        assert_problem(make_client(FakeModelSource(wanted=None)).get("/model"), 503)


class TestNothingLeaks:
    """An applicant's values appear in no response and no log line."""

    SECRET = 917_364_502

    def test_not_in_a_refusal(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        row = application(income_annum=-self.SECRET, education=str(self.SECRET), loan_term=str(self.SECRET))
        for path, body in (("/predict", row), ("/predict/batch", {"instances": [row]})):
            response = client.post(path, json=body)
            assert len(pointers(response)) == 3
            assert str(self.SECRET) not in response.get_data(as_text=True)
        assert str(self.SECRET) not in _everything_in(caplog)

    def test_not_in_an_unreadable_body(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        response = post_raw(client, f'{{"income_annum": {self.SECRET}')
        assert_problem(response, 400)
        assert str(self.SECRET) not in response.get_data(as_text=True) + _everything_in(caplog)

    def test_not_in_an_unexpected_error(self, make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
        client = make_client(FakeModelSource(versions={"1": (model_version(), BrokenScorer())}))
        caplog.set_level(logging.DEBUG)
        response = client.post("/predict", json=application(income_annum=self.SECRET))
        problem = assert_problem(response, 500)
        assert "cannot score" not in problem["detail"]
        logged = _everything_in(caplog)
        assert str(self.SECRET) not in response.get_data(as_text=True) + logged
        assert "builtins.ValueError" in logged
        assert "fakes.py" in logged

    def test_a_made_up_field_name_is_cut(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        response = client.post("/predict", json=application(**{"x" * 10_000: 1}))
        assert pointers(response) == ["/" + "x" * 64]
        assert "xxxx" not in _everything_in(caplog)


def _everything_in(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(str(record.__dict__) for record in caplog.records)
