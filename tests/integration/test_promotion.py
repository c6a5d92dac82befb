"""Promotion, rollback and history on a real registry keep exactly one version in Production."""

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from loan_api.scoring.package import artifact_digest
from loan_api.scoring.promotions import Action
from tests.support.homes import REFIT, TrainedHome, command, train_quickly
from training.errors import GateRefusedError, VersionError
from training.interruption import Interrupts
from training.registry.history import drop_event, read_events, standing, write_event
from training.registry.promotion import previous_version, put_into_production, settle, unsettled
from training.registry.versions import find_version, production_version, semantic_version

pytestmark = pytest.mark.torture

MODEL = "loan_approval_model"


def in_production(home: TrainedHome) -> str:
    """Return the semantic version in Production after checking that stage, alias and history agree."""
    staged = [v for v in home.client.search_model_versions(f"name='{MODEL}'") if v.current_stage == "Production"]
    assert len(staged) == 1
    assert home.client.get_model_version_by_alias(MODEL, "champion").version == staged[0].version
    events = read_events(home.client, MODEL)
    assert all(event.done for event in events)
    assert events[-1].version == str(staged[0].version)
    return semantic_version(staged[0])


def artifact_of(home: TrainedHome, version: ModelVersion) -> Path:
    return Path(str(home.client.get_model_version_download_uri(MODEL, version.version)).removeprefix("file://"))


class TestCommands:
    def test_rollback_goes_back_and_promote_puts_it_forward_again(self, two_versions: TrainedHome) -> None:
        assert in_production(two_versions) == "1.0.1"
        back = command(two_versions, "rollback")
        assert back.exit_code == 0, back.stderr
        assert "Version 1.0.0 of loan_approval_model is in Production again." in back.stdout
        assert in_production(two_versions) == "1.0.0"

        further = command(two_versions, "rollback")
        assert further.exit_code == 1
        assert further.stderr == (
            "Error: loan_approval_model has no earlier Production version to restore; 1.0.0 was the first\n"
        )
        forth = command(two_versions, "promote", "1.0.1")
        assert forth.exit_code == 0, forth.stderr
        assert "f1 against the champion" in forth.stdout
        assert in_production(two_versions) == "1.0.1"

        history = command(two_versions, "history")
        assert history.exit_code == 0
        _, *rows = history.stdout.splitlines()
        assert [(row.split()[0], row.split()[-1]) for row in rows] == [
            ("1.0.1", "promote"),
            ("1.0.0", "rollback"),
            ("1.0.1", "promote"),
            ("1.0.0", "promote"),
        ]
        assert "today" in rows[0]

    def test_promote_takes_the_newest_and_says_where_it_is_already(self, two_versions: TrainedHome) -> None:
        finished = command(two_versions, "promote")
        assert finished.exit_code == 0
        assert finished.stdout == "Version 1.0.1 of loan_approval_model is already in Production.\n"

    def test_a_version_that_is_not_there_is_one_line(self, trained_home: TrainedHome) -> None:
        finished = command(trained_home, "promote", "7.0.0")
        assert finished.exit_code == 1
        assert finished.stderr == "Error: loan_approval_model has no version 7.0.0; it has 1.0.0\n"

    def test_an_empty_registry_is_one_line(self, trained_home: TrainedHome, tmp_path: Path) -> None:
        empty = dataclasses.replace(
            trained_home, settings=dataclasses.replace(trained_home.settings, loan_home=tmp_path / "empty")
        )
        assert command(empty, "promote").stderr.startswith("Error: no version of loan_approval_model is registered")
        assert command(empty, "rollback").stderr.startswith("Error: no version of loan_approval_model is in Production")
        assert "has been in Production" in command(empty, "history").stdout


class TestGate:
    def test_a_worse_challenger_is_registered_but_not_promoted(self, own_home: TrainedHome) -> None:
        finished = command(own_home, "run", "--candidates", "lightgbm", "--jobs", "1")
        assert finished.exit_code == 3, finished.stderr
        assert finished.stderr.startswith("Error: version 1.1.0 was not promoted: f1 against the champion: -")
        assert in_production(own_home) == "1.0.0"
        version = find_version(own_home.client, MODEL, "1.1.0")
        assert version.tags["gate"] == "refused"
        figures = json.loads(version.tags["gate_figures"])
        assert figures["f1_difference_low"] <= figures["f1_difference"] <= figures["f1_difference_high"] <= 0
        assert figures["seconds_1_row"] > 0

    @pytest.mark.parametrize(
        "damage",
        ["a changed file", "a lost file", "other golden rows", pytest.param("slow", marks=pytest.mark.torture)],
    )
    def test_a_damaged_challenger_is_refused(
        self, two_versions: TrainedHome, damage: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from training import workflow
        from training.console import TrainingConsole
        from training.registry import gate

        client = two_versions.client
        put_into_production(client, find_version(client, MODEL, "1.0.0"), "rollback")
        challenger = find_version(client, MODEL, "1.0.1")
        artifact = artifact_of(two_versions, challenger)
        golden = artifact / "reference" / "golden_rows.json"
        if damage == "a changed file":
            golden.write_text(golden.read_text() + " ")
            expected = "its files have changed since registration"
        elif damage == "a lost file":
            (artifact / "model.skops").unlink()
            client.set_model_version_tag(MODEL, challenger.version, "artifact_digest", artifact_digest(artifact))
            expected = "loads in a clean process: exit code 1"
        elif damage == "other golden rows":
            rows = json.loads(golden.read_text())
            rows["probabilities"][0] = 0.5
            golden.write_text(json.dumps(rows))
            client.set_model_version_tag(MODEL, challenger.version, "artifact_digest", artifact_digest(artifact))
            expected = "golden rows: off by 0.5"
        else:
            monkeypatch.setitem(gate.LATENCY_BUDGET_SECONDS, "seconds_1_row", 1e-6)
            expected = "latency, 1 row"
        with pytest.raises(GateRefusedError, match=expected):
            workflow.promote(two_versions.settings, "1.0.1", TrainingConsole(), Interrupts())
        assert in_production(two_versions) == "1.0.0"
        assert client.get_model_version(MODEL, challenger.version).tags["gate"] == "refused"

    @pytest.mark.torture
    def test_a_champion_that_is_broken_lets_a_challenger_pass_on_request_only(self, two_versions: TrainedHome) -> None:
        champion = find_version(two_versions.client, MODEL, "1.0.1")
        (artifact_of(two_versions, champion) / "model.skops").unlink()
        refused = command(two_versions, "promote", "1.0.0")
        assert refused.exit_code == 3
        assert in_production(two_versions) == "1.0.1"
        finished = command(two_versions, "promote", "1.0.0", "--despite-broken-champion")
        assert finished.exit_code == 0, finished.stderr
        assert "the champion fails, so there is no comparison: its files have changed" in " ".join(
            finished.stdout.split()
        )
        assert in_production(two_versions) == "1.0.0"

    def test_a_rollback_to_a_broken_version_is_refused(self, two_versions: TrainedHome) -> None:
        previous = find_version(two_versions.client, MODEL, "1.0.0")
        (artifact_of(two_versions, previous) / "model.skops").write_bytes(b"")
        finished = command(two_versions, "rollback")
        assert finished.exit_code == 3
        assert in_production(two_versions) == "1.0.1"


def test_a_model_that_was_rolled_back_does_not_come_back_by_itself(two_versions: TrainedHome) -> None:
    client = two_versions.client
    put_into_production(client, find_version(client, MODEL, "1.0.0"), "rollback")
    with pytest.raises(
        GateRefusedError, match=r"it was rolled back; restore it with python -m training promote 1\.0\.1"
    ):
        train_quickly(two_versions.settings, ("decision_tree",), REFIT)
    assert in_production(two_versions) == "1.0.0"
    assert len(client.search_model_versions(f"name='{MODEL}'")) == 2


def test_the_history_goes_on_though_the_clock_was_set_back(two_versions: TrainedHome) -> None:
    client = two_versions.client
    last = read_events(client, MODEL)[-1]
    drop_event(client, MODEL, last)
    tomorrow = dataclasses.replace(last, at=datetime.now(UTC) + timedelta(days=1))
    write_event(client, MODEL, tomorrow)
    put_into_production(client, find_version(client, MODEL, "1.0.0"), "rollback")
    assert in_production(two_versions) == "1.0.0"
    assert not unsettled(client, MODEL)
    assert read_events(client, MODEL)[-1].at > tomorrow.at


class Killed(BaseException):
    """Simulated end of the process."""


class DyingClient:
    """A client whose process is killed before its n-th change to the registry."""

    CHANGES = (
        "set_registered_model_tag",
        "delete_registered_model_tag",
        "transition_model_version_stage",
        "set_registered_model_alias",
        "set_model_version_tag",
    )

    def __init__(self, client: MlflowClient, changes_left: int) -> None:
        self._client = client
        self._changes_left = changes_left

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._client, name)
        if name not in self.CHANGES:
            return method

        def change(*arguments: Any, **options: Any) -> Any:
            if self._changes_left == 0:
                raise Killed
            self._changes_left -= 1
            return method(*arguments, **options)

        return change


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_a_kill_at_any_step_leaves_one_version_and_a_repeat_completes_it(
    two_versions: TrainedHome, action: Action
) -> None:
    """A kill before any change leaves one serving version, and a repeated command completes."""
    client = two_versions.client
    steps = 0
    while True:
        older, newer = (find_version(client, MODEL, number) for number in ("1.0.0", "1.0.1"))
        start, goal = (older, newer) if action == "promote" else (newer, older)
        if production_version(client, MODEL).version != start.version:
            put_into_production(client, start, "rollback" if action == "promote" else "promote")
        assert in_production(two_versions) == semantic_version(start)
        before = standing(read_events(client, MODEL))

        dying: Any = DyingClient(client, steps)
        try:
            put_into_production(dying, goal, action)
        except Killed:
            killed = True
        else:
            killed = False
        staged = [v for v in client.search_model_versions(f"name='{MODEL}'") if v.current_stage == "Production"]
        assert len(staged) == 1

        settlement = settle(client, MODEL)
        if settlement.completed is None and production_version(client, MODEL).version == start.version:
            put_into_production(client, goal, action)
        assert not unsettled(client, MODEL)
        assert settle(client, MODEL).sentences == ()
        assert in_production(two_versions) == semantic_version(goal)
        after = standing(read_events(client, MODEL))
        assert after == ([*before, str(goal.version)] if action == "promote" else before[:-1])
        if not killed:
            assert steps == 4  # the event, the stage, the alias, the event's end
            return
        steps += 1


def test_a_change_by_other_means_is_found_and_can_be_rolled_back(two_versions: TrainedHome) -> None:
    client = two_versions.client
    with pytest.warns(FutureWarning):
        client.transition_model_version_stage(MODEL, "1", "Production", archive_existing_versions=False)
    assert unsettled(client, MODEL)
    sentences = settle(client, MODEL).sentences
    assert sentences == ("Several versions were in Production; 1.0.1 stays.",)
    assert in_production(two_versions) == "1.0.1"

    with pytest.warns(FutureWarning):
        client.transition_model_version_stage(MODEL, "1", "Production", archive_existing_versions=True)
    assert "was put into Production by other means" in " ".join(settle(client, MODEL).sentences)
    assert in_production(two_versions) == "1.0.0"
    assert read_events(client, MODEL)[-1].action == "found"
    assert semantic_version(previous_version(client, MODEL)) == "1.0.1"


def test_an_event_that_somebody_made_unreadable_is_left_out(two_versions: TrainedHome) -> None:
    client = two_versions.client
    first, second = read_events(client, MODEL)
    client.set_registered_model_tag(MODEL, first.key, "edited by hand")
    client.set_registered_model_tag(MODEL, "production/else", "{}")
    assert read_events(client, MODEL) == [second]


def promote_foreign_version(home: TrainedHome, *, archiving_others: bool) -> str:
    """Register a model without training's tags and move it to Production, as in MLflow's UI. Return its number."""
    client = home.client
    foreign = client.create_model_version(MODEL, str(artifact_of(home, find_version(client, MODEL, "1.0.0"))))
    with pytest.warns(FutureWarning):
        client.transition_model_version_stage(
            MODEL, foreign.version, "Production", archive_existing_versions=archiving_others
        )
    return str(foreign.version)


class TestForeignVersionInProduction:
    def test_history_shows_it_without_changing_the_registry(self, two_versions: TrainedHome) -> None:
        before = read_events(two_versions.client, MODEL)
        number = promote_foreign_version(two_versions, archiving_others=True)
        shown = command(two_versions, "history")
        assert shown.exit_code == 0, shown.stderr
        newest, earlier = shown.stdout.splitlines()[1:3]
        assert (newest.split()[:2], newest.split()[-1]) == (["unknown", number], "found")
        assert "today" in newest
        assert "today" not in earlier
        assert read_events(two_versions.client, MODEL) == before

    def test_rollback_restores_the_version_before_it(self, two_versions: TrainedHome) -> None:
        number = promote_foreign_version(two_versions, archiving_others=True)
        restored = command(two_versions, "rollback")
        assert restored.exit_code == 0, restored.stderr
        assert f"registry version {number} (not from training) was put into Production by other means" in " ".join(
            restored.stdout.split()
        )
        assert in_production(two_versions) == "1.0.1"
        assert [event.action for event in read_events(two_versions.client, MODEL)[-2:]] == ["found", "rollback"]
        again = command(two_versions, "rollback")
        assert again.exit_code == 0, again.stderr
        assert in_production(two_versions) == "1.0.0"

    def test_rollback_skips_several_foreign_versions(self, two_versions: TrainedHome) -> None:
        client = two_versions.client
        promote_foreign_version(two_versions, archiving_others=True)
        settle(client, MODEL)
        promote_foreign_version(two_versions, archiving_others=True)
        settle(client, MODEL)
        assert semantic_version(previous_version(client, MODEL)) == "1.0.1"

    def test_promotion_replaces_it_without_comparison(self, two_versions: TrainedHome) -> None:
        promote_foreign_version(two_versions, archiving_others=True)
        promoted = command(two_versions, "promote", "1.0.1")
        assert promoted.exit_code == 0, promoted.stderr
        assert in_production(two_versions) == "1.0.1"

    @pytest.mark.torture
    def test_training_replaces_it(self, two_versions: TrainedHome) -> None:
        promote_foreign_version(two_versions, archiving_others=True)
        trained = command(two_versions, "run", "--candidates", "decision_tree", "--jobs", "1", "--unless-in-production")
        assert trained.exit_code == 0, trained.stderr
        assert in_production(two_versions) == "1.0.0"


def test_a_foreign_version_does_not_stay_beside_one_from_training(two_versions: TrainedHome) -> None:
    client = two_versions.client
    promote_foreign_version(two_versions, archiving_others=False)
    assert unsettled(client, MODEL)
    settle(client, MODEL)
    assert in_production(two_versions) == "1.0.1"


def test_a_rollback_passes_over_a_version_that_is_gone(two_versions: TrainedHome) -> None:
    client = two_versions.client
    client.delete_model_version(MODEL, find_version(client, MODEL, "1.0.0").version)
    with pytest.raises(VersionError, match=r"no earlier Production version to restore; 1\.0\.1 was the first"):
        previous_version(client, MODEL)


def test_without_an_earlier_version_there_is_nothing_to_go_back_to(trained_home: TrainedHome) -> None:
    with pytest.raises(VersionError, match=r"1\.0\.0 was the first"):
        previous_version(trained_home.client, MODEL)
