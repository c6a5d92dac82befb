"""Another lender's form and data: served, recorded and replayed as the shipped ones are."""

import csv
import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.forms import GERMAN, SHIPPED
from tests.support.homes import FORM, TrainedHome, copy_of
from tests.support.service import Service, run_command, started_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.torture

ROWS = 400
NUMBERS = {number.name for number in GERMAN.numbers}


@pytest.fixture(scope="module")
def lender(german_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a service with the German form."""
    home = copy_of(german_home, tmp_path_factory.mktemp("lender") / "home").settings.loan_home
    with started_service(home) as service:
        yield service


def applications(service: Service) -> list[dict[str, Any]]:
    """Return applications from the dataset, as a client sends them."""
    with (service.home / "data.csv").open(encoding="utf-8") as file:
        rows = [next(reader) for reader in [csv.DictReader(file)] for _ in range(ROWS)]
    return [{name: int(row[name]) if name in NUMBERS else row[name] for name in GERMAN.names} for row in rows]


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, GERMAN.names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def predict(service: Service, application: dict[str, Any]) -> requests.Response:
    return requests.post(service.url("/predict"), json=application, timeout=10)


def predict_batch(service: Service, rows: list[dict[str, Any]]) -> requests.Response:
    headers = {"Content-Type": "text/csv", "Accept": "application/json"}
    return requests.post(service.url("/predict/batch"), data=as_csv(rows), headers=headers, timeout=30)


def openapi(service: Service) -> dict[str, Any]:
    document: dict[str, Any] = requests.get(service.url("/openapi.json"), timeout=10).json()
    return document


def test_its_example_is_decided(lender: Service) -> None:
    answer = predict(lender, GERMAN.example())
    assert answer.status_code == 200, answer.text
    assert 0 < answer.json()["probability"] < 1
    assert answer.json()["model_version"] == "1.0.0"


def test_applications_of_the_shipped_form_are_refused(lender: Service) -> None:
    answer = predict(lender, SHIPPED.example())
    assert answer.status_code == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {f"/{name}" for name in {*GERMAN.names} ^ {*SHIPPED.names}}


def test_invalid_values_are_refused_by_its_declarations(lender: Service) -> None:
    answer = predict(lender, GERMAN.example() | {"housing": "tent", "duration_in_month": 121})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/duration_in_month", "detail": "Must be a whole number from 1 to 120."},
        {"pointer": "/housing", "detail": "Must be one of own, rent, for free."},
    ]


def test_a_batch_in_csv_gets_the_probabilities_of_single_applications(lender: Service) -> None:
    rows = applications(lender)
    answer = predict_batch(lender, rows)
    assert answer.status_code == 200, answer.text
    assert answer.json()["batch_size"] == ROWS
    probabilities = [row["probability"] for row in answer.json()["predictions"]]
    assert len(set(probabilities)) > ROWS / 2
    assert [predict(lender, row).json()["probability"] for row in rows[:20]] == probabilities[:20]


def test_the_openapi_document_describes_its_applications(lender: Service) -> None:
    schemas = openapi(lender)["components"]["schemas"]
    properties = schemas["LoanApplication"]["properties"]
    assert tuple(properties) == GERMAN.names
    assert (properties["age_in_years"]["minimum"], properties["age_in_years"]["maximum"]) == (18, 110)
    assert "cibil_score" not in json.dumps(openapi(lender))
    assert "rupees" not in json.dumps(openapi(lender))


def test_the_model_is_described_with_the_declarations_of_its_features(lender: Service) -> None:
    model = requests.get(lender.url("/model"), timeout=10).json()
    assert model["name"] == "german_credit_model"
    features = {feature["name"]: feature for feature in model["features"]}
    assert tuple(features) == GERMAN.names
    assert features["credit_amount"] == {
        "name": "credit_amount",
        "type": "number",
        "description": "The amount applied for.",
        "group": "affordability",
        "optional": False,
        "actionable": True,
        "unit": "marks",
        "minimum": 1,
        "maximum": 1_000_000,
        "effect": None,
    }
    assert features["housing"]["allowed_values"] == ["own", "rent", "for free"]


def test_its_decisions_are_exported_and_replayed(lender: Service, tmp_path: Path) -> None:
    rows = applications(lender)[:30]
    predict(lender, rows[0])
    predict_batch(lender, rows)
    file = tmp_path / "decisions.csv"
    run_command(lender.home, "-m", "loan_api", "decisions", "export", str(file))
    with file.open(encoding="utf-8") as content:
        exported = list(csv.DictReader(content))
    assert len(exported) >= 31
    assert {*GERMAN.names} <= exported[0].keys()
    assert [row["purpose"] for row in exported[-30:]] == [row["purpose"] for row in rows]
    replayed = run_command(lender.home, "-m", "loan_api", "decisions", "replay")
    assert replayed == f"{len(exported)} decisions replayed, 0 differences.\n"


def test_its_features_are_watched(lender: Service) -> None:
    predict(lender, GERMAN.example())
    samples = lender.metrics()
    for name in GERMAN.names:
        assert any(sample.startswith('loan_feature_reference_ratio{bin="') and name in sample for sample in samples)


@pytest.mark.torture
def test_changes_to_the_form_s_file_do_not_affect_a_running_service(german_home: TrainedHome, tmp_path: Path) -> None:
    """A service keeps the form it started with, even if all workers are killed or the service is reloaded."""
    home = copy_of(german_home, tmp_path / "home").settings.loan_home
    file = home / FORM
    edited = GERMAN.text.replace("maximum = 120", "maximum = 10").replace('name = "german_credit"', 'name = "other"')
    with started_service(home) as service:
        wait_until(service.is_all_there, "every worker")
        document = openapi(service)
        rows = applications(service)
        changes: list[Callable[[], object]] = [
            lambda: file.write_text(edited, encoding="utf-8"),
            lambda: file.write_text("[form", encoding="utf-8"),
            file.unlink,
        ]
        for number, change in enumerate(changes):
            change()
            before = set(service.workers)
            if number == 0:
                os.kill(service.process.pid, signal.SIGHUP)
            else:
                for worker in before:
                    os.kill(worker, signal.SIGKILL)
            wait_until(lambda: before.isdisjoint(service.workers) and service.is_all_there(), "other workers")  # noqa: B023
            answers = [predict(service, rows[1] | {"duration_in_month": 120}) for _ in range(10)]
            assert {answer.status_code for answer in answers} == {200}
            assert predict_batch(service, rows).status_code == 200
            assert openapi(service) == document
        os.kill(service.process.pid, signal.SIGHUP)
        before = set(service.workers)
        wait_until(lambda: before.isdisjoint(service.workers) and service.is_all_there(), "other workers")
        assert predict(service, rows[1]).status_code == 200
