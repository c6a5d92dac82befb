"""Simulated traffic matches its scenario, and the service accepts all requests meant to be valid."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from loan_api.entrypoints.simulation.applicants import Applicants
from loan_api.entrypoints.simulation.scenarios import SCENARIOS, heavy_batch
from loan_api.errors import LoanError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.codecs import JSON, format_of
from loan_api.formats.refusals import RequestRefusedError
from loan_api.settings import SAMPLE_DATASET
from tests.support.forms import SHIPPED

CODEC = ApplicationCodec(SHIPPED)


@pytest.fixture
def applicants() -> Applicants:
    return Applicants.read(SHIPPED, SAMPLE_DATASET, Random(1))


def is_valid(path: str, body: bytes) -> bool:
    try:
        CODEC.decode(body) if path == "/predict" else format_of(JSON).decode(CODEC, body, 10_000)
    except (RequestRefusedError, LoanError):
        return False
    return True


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_only_the_scenario_of_errors_sends_what_is_not_valid(name: str, applicants: Applicants) -> None:
    calls = [SCENARIOS[name].next_call(applicants, Random(seed)) for seed in range(200)]
    valid = Counter(is_valid(call.path, call.body) for call in calls)
    assert (40 < valid[False] < 80) if name == "errors" else not valid[False]
    assert is_valid("/predict/batch", heavy_batch(applicants).body)


def test_drift_lowers_what_the_model_looks_at(applicants: Applicants) -> None:
    def mean_score(name: str) -> float:
        calls = [SCENARIOS[name].next_call(applicants, Random(seed)) for seed in range(300)]
        scores = [json.loads(call.body)["cibil_score"] for call in calls if call.path == "/predict"]
        return float(sum(scores) / len(scores))

    assert mean_score("drift") < mean_score("steady") - 80


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: ["a,b", "1,2"], "The header lacks "),
        (lambda lines: [line.replace(",", ";") for line in lines], "The cells are separated by semicolons"),
        (lambda lines: lines[:1], "There are no applicants"),
        (lambda lines: [*lines[:2], "", "1,2"], "Line 4 has fewer cells than the header"),
        (lambda lines: [*lines[:2], lines[2].replace(",", ",x")], "Line 3 contains a text instead of a number"),
        (lambda lines: [*lines[:2], '"' + lines[2]], "Line 3 is not valid CSV"),
    ],
)
def test_a_file_that_is_not_a_dataset_is_refused_with_its_line(
    change: Callable[[list[str]], list[str]], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "other.csv"
    file.write_text("\n".join(change(SAMPLE_DATASET.read_text().splitlines()[:4])))
    with pytest.raises(ValueError, match=rf"^other\.csv: {problem}"):
        Applicants.read(SHIPPED, file, Random(1))
