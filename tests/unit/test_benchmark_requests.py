"""The benchmark sends valid applications, in each server's own format."""

import json
from pathlib import Path

import pytest

from loan_api.credit.form import Form
from loan_api.formats.applications import ApplicationCodec
from tests.support.forms import GERMAN, SHIPPED, SMALL
from tools.benchmarks.home import Home
from tools.benchmarks.requests_made import applications, mlflow_body, post, service_batch
from tools.benchmarks.servers import mlflow, with_the_body_of_the_service


@pytest.mark.parametrize("form", [SHIPPED, GERMAN, SMALL], ids=lambda form: form.name)
def test_every_application_keeps_to_the_form(form: Form) -> None:
    codec = ApplicationCodec(form)
    for application in applications(form, 300):
        assert tuple(application) == form.names
        assert codec.explained(application) == application


def test_the_same_seed_gives_the_same_applications() -> None:
    assert applications(SHIPPED, 5, seed=3) == applications(SHIPPED, 5, seed=3) != applications(SHIPPED, 5, seed=4)


def test_every_server_is_asked_about_the_same_rows() -> None:
    rows = applications(SHIPPED, 2)
    assert json.loads(service_batch(rows)) == {"instances": rows}
    split = json.loads(mlflow_body(rows))["dataframe_split"]
    assert [dict(zip(split["columns"], cells, strict=True)) for cells in split["data"]] == rows


def test_mlflow_is_also_asked_with_the_body_of_the_service(tmp_path: Path) -> None:
    server = with_the_body_of_the_service(mlflow(Home(tmp_path), port=1, workers=1))
    assert server.batch(applications(SHIPPED, 2)) == service_batch(applications(SHIPPED, 2))
    assert server.batch_path == "/invocations"


def test_a_request_is_whole() -> None:
    head, _, body = post("/predict", b'{"a": 1}').partition(b"\r\n\r\n")
    assert head.startswith(b"POST /predict HTTP/1.1\r\n")
    assert b"Content-Length: 8" in head
    assert body == b'{"a": 1}'
