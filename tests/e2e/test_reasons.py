"""Explanations by a running service equal brute force over its own API, for every version that has decided."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import pytest
import requests

from loan_api.adapters.keys.file import add_key
from loan_api.scoring.profiles import ReferenceProfiles
from tests.support.applications import application
from tests.support.forms import SHIPPED
from tests.support.homes import TrainedHome, copy_of
from tests.support.service import Service, started_service
from tests.support.waiting import wait_until
from tools.benchmarks.requests_made import applications
from training.registry.promotion import put_into_production
from training.registry.versions import find_version

REJECTED = application(cibil_score=320)


class Client:
    """A client with every scope."""

    def __init__(self, service: Service, home: TrainedHome, key: str) -> None:
        self.service = service
        self.home = home
        self._headers = {"X-API-Key": key}

    def post(self, path: str, body: Any) -> Any:
        answer = requests.post(self.service.url(path), json=body, headers=self._headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, status: int = 200) -> Any:
        answer = requests.get(self.service.url(path), headers=self._headers, timeout=60)
        assert answer.status_code == status, answer.text
        return answer.json()

    @property
    def cached(self) -> list[Path]:
        """The folders of the versions in the local cache."""
        return sorted(path.parent for path in (self.home.settings.loan_home / "models").glob("*/*/artifact"))

    def promote(self, version: str) -> None:
        client, name = self.home.client, self.home.settings.model_name
        put_into_production(client, find_version(client, name, version))
        wait_until(lambda: self.get("/model")["version"] == version, f"{version} to be served")


@pytest.fixture(scope="module")
def client(twice_trained_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Provide a service with 1.0.0 in Production, and 1.0.1 registered."""
    home = copy_of(twice_trained_home, tmp_path_factory.mktemp("reasons") / "home")
    put_into_production(home.client, find_version(home.client, home.settings.model_name, "1.0.0"), "rollback")
    keys = home.settings.loan_home / "keys.json"
    key = add_key(keys, "all", ("admin",), datetime.now(UTC))
    with started_service(home.settings.loan_home, API_KEYS_FILE=str(keys), WEB_CONCURRENCY="1") as service:
        yield Client(service, home, key)


def profiles_of(client: Client) -> ReferenceProfiles:
    """Read the served version's profiles from its artifact."""
    version = client.get("/model")["registry_version"]
    folder = next(path for path in client.cached if path.name.startswith(f"{version}-"))
    file = folder / "artifact" / "reference" / "profiles.json"
    return ReferenceProfiles.from_json(json.loads(file.read_text(encoding="utf-8")))


def test_contributions_equal_brute_force_over_the_api(client: Client) -> None:
    decided = client.post("/predict?reasons=true", REJECTED)
    assert decided["prediction"] == 0
    explained = client.get(f"/decisions/{decided['decision_id']}/reasons")
    profiles, groups = profiles_of(client), SHIPPED.groups
    coalitions = [frozenset(some) for size in range(len(groups) + 1) for some in combinations(range(len(groups)), size)]
    mixtures = [
        {**profile, **{name: REJECTED[name] for place in coalition for name in groups[place].features}}
        for coalition in coalitions
        for profile in profiles.profiles
    ]
    scored = client.post("/predict/batch", {"instances": mixtures})["predictions"]
    count = len(profiles.profiles)
    value = {
        coalition: sum(
            weight * row["probability"]
            for weight, row in zip(profiles.weights, scored[place * count : (place + 1) * count], strict=True)
        )
        for place, coalition in enumerate(coalitions)
    }
    total = factorial(len(groups))
    for place, group in enumerate(groups):
        expected = sum(
            factorial(len(some))
            * factorial(len(groups) - len(some) - 1)
            / total
            * (value[some | {place}] - value[some])
            for some in coalitions
            if place not in some
        )
        assert explained["contributions"][group.name] == pytest.approx(expected, abs=1e-9)
    assert explained["baseline"] == pytest.approx(value[frozenset()], abs=1e-9)
    assert decided["reasons"] == explained["reasons"] != []


def test_rows_of_a_batch_add_up(client: Client) -> None:
    batch = client.post("/predict/batch", {"instances": [*applications(SHIPPED, 400), REJECTED]})
    rejected = [row for row in batch["predictions"] if not row["prediction"]][-10:]
    for row in rejected:
        explained = client.get(f"/decisions/{batch['batch_id']}:{row['row_id']}/reasons")
        assert explained["probability"] == row["probability"]
        assert explained["baseline"] + sum(explained["contributions"].values()) == pytest.approx(
            row["probability"], abs=1e-9
        )
        assert 0 < len(explained["reasons"]) <= 4


def test_proposed_changes_are_approved(client: Client) -> None:
    """Verify the proposals for the first rejected applications that have any."""
    proposed = 0
    for sent in applications(SHIPPED, 300):
        decided = client.post("/predict", sent)
        if decided["prediction"]:
            continue
        answer = client.get(f"/decisions/{decided['decision_id']}/what-if")
        for change in answer["changes"]:
            assert change["from"] == sent[change["feature"]]
            changes = answer["changes"] if answer["together"] else [change]
            approved = client.post("/predict", sent | {each["feature"]: each["to"] for each in changes})
            assert approved["prediction"] == 1
            assert approved["probability"] == change["probability"]
        proposed += bool(answer["changes"])
        if proposed == 5:
            return
    pytest.fail(f"there were proposals for {proposed} applications only")


def test_the_version_that_decided_explains_wherever_it_is(client: Client) -> None:
    """First it is served, then cached, then only registered, and finally gone."""
    decided = client.post("/predict", REJECTED)
    path = f"/decisions/{decided['decision_id']}/reasons"
    first = client.get(path)
    assert first["model_version"] == "1.0.0"
    client.promote("1.0.1")
    assert client.get(path) == first
    by_the_new = client.post("/predict", REJECTED)
    assert client.get(f"/decisions/{by_the_new['decision_id']}/reasons")["model_version"] == "1.0.1"
    for folder in client.cached:
        if folder.name.startswith("1-"):
            shutil.rmtree(folder)
    assert client.get(path) == first
    for folder in client.cached:
        if folder.name.startswith("1-"):
            shutil.rmtree(folder)
    home = client.home
    version = find_version(home.client, home.settings.model_name, "1.0.0").version
    home.client.delete_model_version(home.settings.model_name, version)
    problem = client.get(path, status=409)
    assert problem["type"] == "urn:loan-api:problem:reasons-unavailable"
    assert problem["detail"] == "Version 1.0.0 of loan_approval_model, which decided, has left the registry."
    assert client.get(f"/decisions/{decided['decision_id']}")["prediction"] == 0
