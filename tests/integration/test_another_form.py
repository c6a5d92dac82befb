"""Forms meet real registries: models of another form, models against declared effects, and forms that are invalid."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loan_api.credit.form import Form, parse_form
from loan_api.services.model_registry import ModelRegistry
from loan_api.settings import PROJECT_ROOT
from tests.support.applications import application
from tests.support.fakes import RecordingObserver, now
from tests.support.following import source_of
from tests.support.forms import GERMAN, SHIPPED
from tests.support.homes import FORM, TrainedHome, artifact_of, copy_of, train_quickly
from tests.support.services import client_of
from training.data.dataset import read_dataset
from training.data.split import split_dataset
from training.errors import GateRefusedError, NoWinnerError
from training.registry.gate import Contestant, judge
from training.registry.promotion import put_into_production
from training.registry.versions import find_version

pytestmark = pytest.mark.slow

MODEL = "loan_approval_model"


class TestModelOfAnotherForm:
    @pytest.fixture
    def mixed_home(self, own_home: TrainedHome, german_home: TrainedHome) -> TrainedHome:
        """Return a home with 1.0.0 in Production and, as 2.0.0 of the same model, one of another form."""
        settings = dataclasses.replace(
            own_home.settings,
            features_path=german_home.settings.features_path,
            dataset_path=german_home.settings.dataset_path,
        )
        with pytest.raises(GateRefusedError, match="it was trained on another application form, loan_approval"):
            train_quickly(settings, ("logistic_regression",))
        return own_home

    def test_it_is_rejected_while_the_previous_one_keeps_serving(self, mixed_home: TrainedHome) -> None:
        registry = ModelRegistry(source_of(mixed_home), RecordingObserver(), now)
        registry.refresh()
        assert registry.current.version.semantic_version == "1.0.0"
        put_into_production(mixed_home.client, find_version(mixed_home.client, MODEL, "2.0.0"))
        registry.refresh()
        assert registry.current.version.semantic_version == "1.0.0"
        why = (
            "version 2 of loan_approval_model was rejected: it was trained on another application form than this"
            " service's, loan_approval"
        )
        assert registry.problem == why

        # A worker that has just started falls back to the last good version.
        client = client_of(mixed_home.settings, models=source_of(mixed_home))
        health: Any = client.get("/health").json
        assert health["status"] == "degraded"
        assert health["checks"]["registry"] == why
        assert health["checks"]["model_version"] == "1.0.0"
        answer: Any = client.post("/predict", json=application()).json
        assert answer["model_version"] == "1.0.0"


def with_effect(feature: str, effect: str) -> Form:
    """Return the German form with one more effect."""
    return parse_form(GERMAN.text.replace(f"[features.{feature}]", f'[features.{feature}]\neffect = "{effect}"'))


class TestEffects:
    # Older applicants repay more often in this data.
    RIGHT = with_effect("age_in_years", "increasing")
    WRONG = with_effect("age_in_years", "decreasing")

    @pytest.mark.parametrize(
        ("form", "passed", "says"),
        [
            (RIGHT, True, "as declared for age_in_years"),
            (WRONG, False, "violated by age_in_years by up to 0."),
        ],
        ids=["as declared", "against the declaration"],
    )
    def test_the_gate_refuses_a_model_that_violates_one(
        self, german_home: TrainedHome, form: Form, passed: bool, says: str
    ) -> None:
        assert form.digest == GERMAN.digest
        assert german_home.settings.dataset_path is not None
        version = find_version(german_home.client, german_home.settings.model_name, "1.0.0")
        contestant = Contestant(artifact_of(german_home.settings.loan_home), float(version.tags["threshold"]))
        verdict = judge(contestant, None, split_dataset(read_dataset(form, german_home.settings.dataset_path)))
        [check] = [check for check in verdict.checks if check.name == "effects"]
        assert check.passed == verdict.passed == passed, verdict.summary
        assert check.says.startswith(says)

    def test_a_candidate_that_violates_one_does_not_win(self, german_home: TrainedHome, tmp_path: Path) -> None:
        home = copy_of(german_home, tmp_path / "home")
        home.settings.features_path.write_text(self.WRONG.text, encoding="utf-8")
        with pytest.raises(NoWinnerError, match="no candidate follows the declared effects of age_in_years"):
            train_quickly(home.settings, ("logistic_regression",))


def test_a_model_card_is_about_its_own_form(german_home: TrainedHome) -> None:
    card = (artifact_of(german_home.settings.loan_home) / "reference" / "model_card.md").read_text(encoding="utf-8")
    assert card.startswith("# Model card: German credit, logistic_regression\n")
    assert "from 17 features" in card
    assert not any(name in card for name in SHIPPED.names)
    assert "credit score" not in card


def test_features_without_information_are_warned_of(german_home: TrainedHome, tmp_path: Path) -> None:
    """Use candidates that cannot take part, so that the run ends early."""
    home = copy_of(german_home, tmp_path / "home")
    assert home.settings.dataset_path is not None
    home.settings.features_path.write_text(TestEffects.RIGHT.text, encoding="utf-8")
    data = home.settings.dataset_path
    changed = data.read_text(encoding="utf-8").replace(",own,", ",rent,").replace(",for free,", ",rent,")
    data.write_text(changed, encoding="utf-8")
    with pytest.raises(NoWinnerError, match="every candidate is left out; nothing is registered"):
        train_quickly(home.settings, ("naive_bayes",))
    [log] = [log for log in home.settings.home.logs.iterdir() if "naive_bayes" in log.read_text(encoding="utf-8")]
    text = log.read_text(encoding="utf-8")
    assert "housing has the same value in every application; the model cannot learn from it." in text
    assert "naive_bayes is left out: it cannot follow the effects that the form declares." in text


INVALID = """
[form]
name = "not a name"

[outcome]
column = "result"
approved = "yes"

[features.income]
type = "numeric"

[features.debt]
type = "number"
description = "Debt."
minimum = 5
maximum = 1

[derived.burden]
formula = "debt / incomes"
description = "Burden."
"""
PROBLEMS = (
    "form.name: must consist of letters, digits and _",
    "outcome.rejected: is missing",
    "features.income.type: must be one of integer, number, category",
    "features.income.description: is missing",
    "features.debt.maximum: must be greater than the minimum, 5",
    "derived.burden.formula: column 8: incomes is not known here",
)
COMMANDS = pytest.mark.parametrize(
    "arguments",
    [
        ("loan_api", "serve"),
        ("loan_api", "init"),
        ("training", "run"),
        ("training", "run", "--unless-in-production"),
    ],
    ids=" ".join,
)


def run(folder: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=PROJECT_ROOT,
        env={
            "PATH": os.environ["PATH"],
            "LOAN_HOME": str(folder / "home"),
            "FEATURES_PATH": str(folder / FORM),
            "DATASET_PATH": str(folder / "data.csv"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@COMMANDS
def test_commands_list_every_error_of_an_invalid_form_and_write_nothing(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / FORM).write_text(INVALID, encoding="utf-8")
    finished = run(tmp_path, arguments)
    assert finished.returncode == 1
    assert finished.stdout == ""
    lines = finished.stderr.splitlines()
    assert len(lines) == len(PROBLEMS)
    for line, problem in zip(sorted(lines, key=_key), sorted(PROBLEMS), strict=True):
        assert line.endswith(problem)
    assert [path.name for path in tmp_path.iterdir()] == [FORM]


def _key(line: str) -> str:
    """Return the part of a message that starts with the key of the form."""
    return next(line[line.index(problem.partition(": ")[0]) :] for problem in PROBLEMS if problem in line)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file cannot be read: No such file or directory"),
        (b"[form", "is not valid TOML: "),
        (b"\xff\xfe", "the file is not UTF-8 text"),
    ],
    ids=["no file", "no TOML", "no text"],
)
def test_a_form_that_cannot_be_read_is_explained(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / FORM).write_bytes(content)
    finished = run(tmp_path, ("loan_api", "init"))
    assert finished.returncode == 1
    [line] = finished.stderr.splitlines()
    assert problem in line
    assert not (tmp_path / "home").exists()
