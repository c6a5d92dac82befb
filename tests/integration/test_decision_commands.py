"""The commands `decisions export|replay|reasons|purge` and `outcomes import` on both databases."""

import csv
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from msgspec import structs
from sqlalchemy import select, update

from loan_api.adapters.recording.journal import Journal
from loan_api.adapters.registry.mlflow_source import MlflowModels
from loan_api.adapters.registry.replay_models import ReplayModels
from loan_api.adapters.storage import reasons_export
from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.database import open_engine
from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.adapters.storage.reasons_export import ReasonsExport
from loan_api.adapters.storage.tables import batches, decisions, policies
from loan_api.credit.policy import Policy, parse_policy, read_policy
from loan_api.entrypoints.commands import cli
from loan_api.entrypoints.commands.decisions import months_before
from loan_api.entrypoints.commands.outcomes import report_in_pieces
from loan_api.errors import DatabaseBusyError
from loan_api.formats.batch_content import PolicyColumns, pack
from loan_api.scoring.columns import columns_of
from loan_api.services.audit import DecisionName, FoundDecision, NewOutcome, OutcomeReport
from loan_api.services.decision_id import new_id
from loan_api.services.decision_log import BatchRecord, Decider, DecisionRecord, PolicyActivation
from tests.support.applications import application
from tests.support.forms import SHIPPED
from tests.support.homes import TrainedHome
from tests.support.ledger import FIRST, SECOND, START, Ledger
from tests.support.policies import EXAMPLE
from tools.benchmarks.requests_made import applications


def run(ledger: Ledger, *arguments: str | Path, **environ: str) -> Result:
    environ = {"DATABASE_URL": ledger.url, **environ}
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], env=environ)


def activation(policy: Policy) -> PolicyActivation:
    return PolicyActivation(new_id(START), START, policy.digest, policy.version, policy.text)


def outcome_of(ledger: Ledger, decision_id: str) -> int | None:
    name = DecisionName.parse(decision_id)
    assert name is not None
    found = DatabaseArchive(SHIPPED, ledger.url).find(name)
    assert isinstance(found, FoundDecision)
    return found.decision.outcome


def test_an_export_has_a_row_for_each_decision(ledger: Ledger, tmp_path: Path) -> None:
    single, batch_id = ledger.single(request_id="=one,two"), ledger.batch(0.1, 0.9, decider=SECOND)
    (tmp_path / "outcomes.csv").write_text(f"decision_id,outcome\n{batch_id}:1,0\n", encoding="utf-8")
    assert run(ledger, "outcomes", "import", tmp_path / "outcomes.csv").exit_code == 0
    for name in ("all.csv", "all.parquet"):
        exported = run(ledger, "decisions", "export", tmp_path / name)
        assert exported.output == f"3 decisions written to {tmp_path / name}.\n"
    table = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert [row["decision_id"] for row in table] == [single, f"{batch_id}:0", f"{batch_id}:1"]
    assert [row["outcome"] for row in table] == [None, None, 0]
    assert [row["prediction"] for row in table] == [1, 0, 1]
    assert table[0]["decided_at"] == START
    assert {name: table[0][name] for name in application()} == application()
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["decision_id"] for row in rows] == [row["decision_id"] for row in table]
    assert [float(row["probability"]) for row in rows] == [row["probability"] for row in table]
    assert (rows[0]["request_id"], rows[0]["cibil_score"], rows[0]["outcome"]) == ("=one,two", "778", "")


def test_an_export_says_what_the_policy_decided(ledger: Ledger, tmp_path: Path) -> None:
    policy = read_policy(EXAMPLE, SHIPPED)
    ledger.single(probability=0.9)
    ledger.activate(policy)
    ledger.single(probability=0.9, policy=policy, loan_amount=21_000_000, income_annum=1_000_000)
    ledger.batch(0.9, policy=policy)
    for name in ("all.csv", "all.parquet"):
        assert run(ledger, "decisions", "export", tmp_path / name).exit_code == 0
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    found = [(row["decision"], row["rule"], row["policy_version"]) for row in rows]
    assert found == [
        ("approve", None, None),
        ("decline", "loan_too_large", "2026-11"),
        ("decline", "score_too_low", "2026-11"),
    ]
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        cells = [(row["decision"], row["rule"], row["policy_version"]) for row in csv.DictReader(file)]
    assert cells == [tuple(each or "" for each in row) for row in found]


def test_an_export_takes_what_is_asked_for_and_is_whole_or_not_there(ledger: Ledger, tmp_path: Path) -> None:
    ledger.single()
    ledger.single(SECOND)
    some = run(ledger, "decisions", "export", tmp_path / "some.csv", "--model-version", "1.1.0")
    assert some.output.startswith("1 decisions written")
    none = run(ledger, "decisions", "export", tmp_path / "none.csv", "--to", "2024-03-13")
    assert none.output.startswith("0 decisions written")
    assert run(ledger, "decisions", "export", tmp_path / "all.xlsx").exit_code == 2
    assert run(ledger, "decisions", "export", tmp_path / "all.csv", "--from", "soon").exit_code == 2
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["none.csv", "some.csv"]


@pytest.mark.parametrize("earlier", ["2024-03-13", "2024-03-12T10:00:00Z"])
@pytest.mark.parametrize("command", ["export", "replay"])
def test_an_empty_time_span_is_an_error(tmp_path: Path, command: str, earlier: str) -> None:
    arguments = [str(tmp_path / "none.csv")] if command == "export" else []
    result = CliRunner().invoke(cli, ["decisions", command, *arguments, "--to", earlier, "--from", "2024-03-13"])
    assert result.exit_code == 2
    assert "'--to': must be later than --from" in " ".join(result.output.split())
    assert list(tmp_path.glob("*.*")) == []


def test_an_export_is_for_its_owner_and_names_a_folder_that_is_missing(ledger: Ledger, tmp_path: Path) -> None:
    ledger.single()
    for name in ("all.csv", "all.parquet"):
        assert run(ledger, "decisions", "export", tmp_path / name).exit_code == 0
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        result = run(ledger, "decisions", "export", tmp_path / "missing" / name)
        expected = f"Error: the folder cannot be written to: {tmp_path / 'missing'} (No such file or directory)\n"
        assert (result.exit_code, result.output) == (1, expected)


def test_an_export_says_that_more_decisions_wait(ledger: Ledger, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal" / "0.journal", 2**20)
    for expected in (False, True):
        exported = run(ledger, "decisions", "export", tmp_path / "all.csv", LOAN_HOME=str(tmp_path))
        assert (exported.exit_code, "are still in the journal" in exported.output) == (0, expected)
        journal.append([b"a decision"])
    journal.close()


def test_an_export_names_what_is_damaged_and_has_the_rest(ledger: Ledger, tmp_path: Path) -> None:
    singles, whole = [ledger.single() for _ in range(3)], [ledger.batch(0.1, 0.9) for _ in range(2)]
    with open_engine(ledger.url).begin() as connection:
        connection.execute(update(decisions).where(decisions.c.id == singles[1]).values(features={"loan_term": None}))
        connection.execute(update(batches).where(batches.c.id == whole[0]).values(content=b""))
    result = run(ledger, "decisions", "export", tmp_path / "all.csv")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"4 decisions written to {tmp_path / 'all.csv'}.",
        "Error: 2 records are damaged and were left out:",
        f"  {singles[1]}",
        f"  {whole[0]}",
    ]
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        exported = [row["decision_id"] for row in csv.DictReader(file)]
    assert exported == [singles[0], singles[2], f"{whole[1]}:0", f"{whole[1]}:1"]


def test_an_import_may_be_repeated(ledger: Ledger, tmp_path: Path) -> None:
    single, batch_id = ledger.single(), ledger.batch(0.1, 0.9)
    file = tmp_path / "outcomes.csv"
    file.write_text(f"decision_id,outcome\n{single}, 1\n\n{batch_id}:0,0\n", encoding="utf-8")
    assert run(ledger, "outcomes", "import", file).output == "2 outcomes were new, 0 were known already.\n"
    assert run(ledger, "outcomes", "import", file).output == "0 outcomes were new, 2 were known already.\n"
    assert (outcome_of(ledger, single), outcome_of(ledger, f"{batch_id}:0")) == (1, 0)


def test_an_import_names_each_wrong_line_and_takes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    single = ledger.single()
    file = tmp_path / "outcomes.csv"
    file.write_text(
        f"decision_id,outcome\n{single},1\nnobody,1\n{single}:7,1\n{single},2\n\n{single}\n", encoding="utf-8"
    )
    result = run(ledger, "outcomes", "import", file)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "Error: nothing of outcomes.csv was imported:",
        "  line 3 must contain the id of a decision and 0 or 1",
        "  line 4 names a decision that is not recorded",
        "  line 5 must contain the id of a decision and 0 or 1",
        "  line 7 must contain the id of a decision and 0 or 1",
    ]
    assert outcome_of(ledger, single) is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "outcomes.csv must begin with the line decision_id,outcome"),
        (b"018e3765,1\n", "outcomes.csv must begin with the line decision_id,outcome"),
        (b"outcome\n1\n", "outcomes.csv must begin with the line decision_id,outcome"),
        (b"decision_id;outcome\n", "the cells of outcomes.csv are separated by semicolons; separate them by commas"),
        (b"decision_id,outcome\n\xff,1\n", "nothing of outcomes.csv was imported:\n  line 2 is not UTF-8 text"),
    ],
)
def test_a_file_without_outcomes_is_refused_with_the_cause(
    ledger: Ledger, tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "outcomes.csv").write_bytes(content)
    result = run(ledger, "outcomes", "import", tmp_path / "outcomes.csv")
    assert (result.exit_code, result.output) == (1, f"Error: {problem}\n")


@pytest.mark.parametrize(
    "content", ['"{id},1\n{id},1\n', '{id},"1"1\n', "x" * 200_000 + ",1\n", '{id},"' + "1\n" * 99_999]
)
@pytest.mark.parametrize("before", ["", "decision_id,outcome\n", "decision_id,outcome\n{id},0\n\n"])
def test_the_first_line_that_is_not_csv_is_named(ledger: Ledger, tmp_path: Path, content: str, before: str) -> None:
    single = ledger.single()
    (tmp_path / "outcomes.csv").write_text((before + content).replace("{id}", single), encoding="utf-8")
    result = run(ledger, "outcomes", "import", tmp_path / "outcomes.csv")
    assert (result.exit_code, len(result.output.splitlines())) == (1, 2)
    assert f"  line {before.count(chr(10)) + 1} is not valid CSV\n" in result.output
    assert outcome_of(ledger, single) is None


def test_an_import_is_written_a_little_at_a_time(ledger: Ledger) -> None:
    ids = [ledger.single(), *(f"{ledger.batch(*[0.5] * 6)}:{row}" for row in range(6))]
    reports = [OutcomeReport(name, 0) for each in ids if (name := DecisionName.parse(each)) is not None]
    assert len(reports) == 7
    sizes: list[int] = []

    class Observer:
        def outcomes_reported(self, new: Sequence[NewOutcome]) -> None:
            sizes.append(len(new))

    archive = DatabaseArchive(SHIPPED, ledger.url)
    for expected in (7, 0):
        assert report_in_pieces(archive, Observer(), "outcomes.csv", reports, size=2) == expected
    assert sizes == [2, 2, 2, 1, 0, 0, 0, 0]
    assert [outcome_of(ledger, each) for each in ids] == [0] * 7


def test_of_several_lines_about_one_decision_the_last_counts(ledger: Ledger, tmp_path: Path) -> None:
    ids = [ledger.single(), ledger.single()]
    lines = [f"{each},0" for each in ids] + [f"{ids[0]},1"]
    (tmp_path / "outcomes.csv").write_text("\n".join(["decision_id,outcome", *lines]), encoding="utf-8")
    for expected in ("2 outcomes were new, 1 were known already.\n", "0 outcomes were new, 3 were known already.\n"):
        assert run(ledger, "outcomes", "import", tmp_path / "outcomes.csv").output == expected
    assert [outcome_of(ledger, each) for each in ids] == [1, 0]


def test_a_purge_deletes_what_is_old_with_its_outcomes_and_nothing_else(ledger: Ledger, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ledger.moment = months_before(now, 25) - timedelta(hours=1)
    old = [ledger.single() for _ in range(3)] + [f"{ledger.batch(0.1, 0.9)}:0"]
    ledger.moment = months_before(now, 25) + timedelta(hours=1)
    young = [ledger.single(), f"{ledger.batch(0.1, 0.9)}:1"]
    lines = "".join(f"{each},1\n" for each in (*old, *young))
    (tmp_path / "outcomes.csv").write_text(f"decision_id,outcome\n{lines}", encoding="utf-8")
    assert run(ledger, "outcomes", "import", tmp_path / "outcomes.csv").exit_code == 0
    policy = parse_policy('version = "1"\n[bands]\napprove_from = 0.8\nrefer_from = 0.5\n', SHIPPED)
    ledger.moment = months_before(now, 25) - timedelta(hours=1)
    ledger.single(FIRST, 0.7, policy=policy)
    ledger.batch(0.6, 0.7, 0.9, policy=policy)
    counted = "4 single decisions and 2 batches (5 decisions) from before"
    undecided = "Undecided referrals among them: 3.\n"
    assert run(ledger, "decisions", "purge", "--older-than", "99999").exit_code == 2
    dry = run(ledger, "decisions", "purge", "--dry-run")
    assert dry.output.startswith(counted)
    assert dry.output.endswith(f"would be deleted.\n{undecided}")
    purged = run(ledger, "decisions", "purge")
    assert purged.output.startswith(counted)
    assert purged.output.endswith(f"UTC deleted.\n{undecided}")
    again = run(ledger, "decisions", "purge")
    assert again.output.startswith("0 single decisions and 0 batches")
    assert "Referrals" not in again.output
    assert [outcome_of(ledger, each) for each in young] == [1, 1]
    assert all(DatabaseArchive(SHIPPED, ledger.url).find(DecisionName(each.partition(":")[0])) is None for each in old)


def test_a_purge_lets_others_write_meanwhile(ledger: Ledger) -> None:
    """Purge in many transactions with pauses, rather than one that blocks all writers."""
    ledger.moment = datetime(2020, 1, 1, tzinfo=UTC)
    for _ in range(30):
        ledger.batch(*[0.5] * 2000)
    over = threading.Event()
    written: list[str] = []

    def write() -> None:
        writer = DecisionWriter(ledger.url)
        while not over.is_set():
            record = DecisionRecord(new_id(datetime.now(UTC)), "r", datetime.now(UTC), SECOND, b"{}", 0.5, 1)
            # The recorder also retries.
            with suppress(DatabaseBusyError):
                writer.write([record], [])
                written.append(record.decision_id)
        writer.close()

    other = threading.Thread(target=write)
    other.start()
    try:
        purged = run(ledger, "decisions", "purge")
    finally:
        over.set()
        other.join()
    assert purged.output.startswith("0 single decisions and 30 batches (60000 decisions)")
    assert written
    archive = DatabaseArchive(SHIPPED, ledger.url)
    with open_engine(ledger.url).connect() as connection:
        assert set(connection.scalars(decisions.select().with_only_columns(decisions.c.id))) == set(written)
    assert archive.unknown([DecisionName(each) for each in written]) == []


def months(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "count", "expected"),
    [
        (months(2026, 11, 24), 25, months(2024, 10, 24)),
        (months(2026, 3, 31), 1, months(2026, 2, 28)),
        (months(2026, 1, 1), 1, months(2025, 12, 1)),
    ],
)
def test_months_are_those_of_the_calendar(moment: datetime, count: int, expected: datetime) -> None:
    assert months_before(moment, count) == expected


def test_a_replay_of_nothing_is_not_taken_for_one_without_differences(ledger: Ledger) -> None:
    ledger.single()
    ledger.batch(0.1, decider=SECOND)
    for version in ("1.0.0", "1.1.0"):
        none = run(ledger, "decisions", "replay", "--model-version", version, "--to", "2024-03-13")
        assert (none.exit_code, "nothing was compared" in none.output) == (0, True), none.output


def test_a_version_that_decided_nothing_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    ledger.single()
    for command in (
        ("decisions", "replay"),
        ("decisions", "export", tmp_path / "decisions.csv"),
        ("decisions", "reasons", "--out", tmp_path / "reasons.parquet"),
        ("policy", "simulate", EXAMPLE),
    ):
        unknown = run(ledger, *command, "--model-version", "9.9.9")
        assert (unknown.exit_code, "that version has no recorded decisions" in unknown.output) == (2, True), command
    assert list(tmp_path.glob("*.*")) == []


ROWS, SINGLES, BATCH = 2_500, 500, 1_000
POLICY = read_policy(EXAMPLE, SHIPPED)


@pytest.fixture
def recorded(ledger: Ledger, twice_trained_home: TrainedHome) -> Ledger:
    """Record decisions by the version in Production, some singly and the others in batches."""
    settings = twice_trained_home.settings
    entry = MlflowModels(settings.mlflow_tracking_uri, settings.model_name, "Production").find_staged()
    assert entry is not None
    decider = Decider(settings.model_name, entry.version, entry.tags["semantic_version"], 0.5)
    scorer, _ = ReplayModels(SHIPPED, settings, None).of(decider)
    rows = applications(SHIPPED, ROWS)
    singles: list[DecisionRecord] = []
    for row in rows[:SINGLES]:
        probability = scorer.probability(row)
        features = json.dumps(row).encode()
        prediction = int(probability >= 0.5)
        record = DecisionRecord(new_id(START), "r", START, decider, features, probability, prediction)
        # Half of them are of an earlier version, which knew no policy.
        if len(singles) >= SINGLES // 2:
            decision, rule = POLICY.decide(row, probability)
            record = structs.replace(record, decision=decision, rule=rule, policy=POLICY.digest)
        singles.append(record)
    whole: list[BatchRecord] = []
    for start in range(SINGLES, ROWS, BATCH):
        columns = columns_of(SHIPPED, rows[start : start + BATCH])
        probabilities = scorer.probabilities(columns)
        predictions = (probabilities >= 0.5).astype(np.int8)
        policy = POLICY if whole else None
        decided = PolicyColumns(*policy.decide_columns(columns, probabilities), policy.codes) if policy else None
        content = pack(SHIPPED, columns, probabilities, predictions, decided)
        batch = BatchRecord(new_id(START), "r", START, decider, BATCH, int(predictions.sum()), content)
        whole.append(structs.replace(batch, policy=policy and policy.digest))
    writer = DecisionWriter(ledger.url)
    writer.write(singles, whole, [activation(POLICY)])
    writer.close()
    return ledger


class TestReplay:
    """Replay with a trained model from a real registry."""

    def test_what_was_recorded_comes_out_the_same(self, recorded: Ledger, twice_trained_home: TrainedHome) -> None:
        environ = {**twice_trained_home.environ, "DATABASE_URL": recorded.url}
        result = run(recorded, "decisions", "replay", **environ)
        assert result.output == f"{ROWS} decisions replayed, 0 differences.\n"
        assert result.exit_code == 0
        result = run(recorded, "decisions", "replay", "--limit", "100", "--with", "1.0.0", **environ)
        assert result.output.endswith("100 decisions replayed, 0 differences.\n"), result.output

    def test_a_decision_that_is_not_the_policy_s_is_found(
        self, recorded: Ledger, twice_trained_home: TrainedHome
    ) -> None:
        with open_engine(recorded.url).begin() as connection:
            by_rule = decisions.c.rule == "loan_too_large"
            victim = connection.scalar(decisions.select().with_only_columns(decisions.c.id).where(by_rule).limit(1))
            assert victim is not None
            connection.execute(update(decisions).where(decisions.c.id == victim).values(decision="approve", rule=None))
        environ = {**twice_trained_home.environ, "DATABASE_URL": recorded.url}
        result = run(recorded, "decisions", "replay", **environ)
        first, last = result.output.splitlines()
        assert first.startswith(f"{victim}  recorded ")
        assert " approve  replayed " in first
        assert first.endswith(" decline by loan_too_large")
        assert last == f"{ROWS} decisions replayed, 1 differences."

    def test_a_policy_whose_text_is_not_recorded_is_named(
        self, recorded: Ledger, twice_trained_home: TrainedHome
    ) -> None:
        with open_engine(recorded.url).begin() as connection:
            connection.execute(policies.delete())
        environ = {**twice_trained_home.environ, "DATABASE_URL": recorded.url}
        result = run(recorded, "decisions", "replay", **environ)
        assert result.exit_code == 0
        assert f"Warning: the policy {POLICY.digest} does not fit the form" in result.output

    def test_another_model_under_the_recorded_version_is_not_taken_for_it(
        self, recorded: Ledger, twice_trained_home: TrainedHome
    ) -> None:
        """Use a recreated registry, where version numbers start at 1 again."""
        with open_engine(recorded.url).begin() as connection:
            connection.execute(update(decisions).values(semantic_version="7.0.0"))
        result = run(recorded, "decisions", "replay", **{**twice_trained_home.environ, "DATABASE_URL": recorded.url})
        assert result.exit_code == 1
        assert "is 1.0.1, but 7.0.0 decided" in result.output

    def test_what_was_tampered_with_is_found(self, recorded: Ledger, twice_trained_home: TrainedHome) -> None:
        with open_engine(recorded.url).begin() as connection:
            victim = connection.scalar(decisions.select().with_only_columns(decisions.c.id).limit(1))
            connection.execute(update(decisions).where(decisions.c.id == victim).values(probability=0.123456))
        environ = {**twice_trained_home.environ, "DATABASE_URL": recorded.url}
        result = run(recorded, "decisions", "replay", **environ)
        assert result.exit_code == 1
        assert result.output.splitlines()[0].startswith(f"{victim}  recorded ")
        assert "(0.123456000)" in result.output.splitlines()[0]
        assert result.output.splitlines()[-1] == f"{ROWS} decisions replayed, 1 differences."
        missing = run(recorded, "decisions", "replay", "--with", "9.9.9", **environ)
        assert missing.exit_code == 1
        assert "there is no version 9.9.9" in missing.output


class TestReasons:
    """Explanations in bulk with a trained model from a real registry."""

    def export(self, recorded: Ledger, home: TrainedHome, file: Path, *arguments: str) -> Result:
        environ = {**home.environ, "DATABASE_URL": recorded.url}
        return run(recorded, "decisions", "reasons", "--out", file, *arguments, **environ)

    def test_every_refusal_is_explained(
        self, recorded: Ledger, twice_trained_home: TrainedHome, tmp_path: Path
    ) -> None:
        file = tmp_path / "reasons.parquet"
        result = self.export(recorded, twice_trained_home, file)
        table = pq.read_table(file).to_pylist()
        assert result.exit_code == 0, result.output
        assert f"Reasons for {len(table)} decisions written to {file}.\n" in result.output
        assert file.stat().st_mode & 0o777 == 0o600
        assert run(recorded, "decisions", "export", tmp_path / "all.parquet").exit_code == 0
        decided = {row["decision_id"]: row for row in pq.read_table(tmp_path / "all.parquet").to_pylist()}
        declined = [key for key, row in decided.items() if row["decision"] == "decline"]
        assert [row["decision_id"] for row in table] == declined
        assert {decided[key]["rule"] for key in declined} > {None}
        for row in table:
            contributions = dict(row["contributions"])
            assert list(contributions) == [group.name for group in SHIPPED.groups]
            assert row["baseline"] + sum(contributions.values()) == pytest.approx(row["probability"], abs=1e-9)
            assert row["probability"] == decided[row["decision_id"]]["probability"]
            assert (row["model_version"], row["exact"], row["standard_error"]) == ("1.0.1", True, None)
            reasons = row["reasons"]
            if rule := decided[row["decision_id"]]["rule"]:
                assert [(reason["code"], reason["contribution"]) for reason in reasons] == [(rule, None)]
                continue
            assert 0 < len(reasons) <= 4
            assert all(reason["contribution"] == contributions[reason["code"]] < 0 for reason in reasons)
        assert [path.name for path in tmp_path.glob(".reasons-*")] == []

    def test_an_interrupted_export_continues(
        self, recorded: Ledger, twice_trained_home: TrainedHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Stop after two parts, as a kill would, and compare with an export in one go."""
        whole, file = tmp_path / "whole.parquet", tmp_path / "reasons.parquet"
        assert self.export(recorded, twice_trained_home, whole).exit_code == 0
        monkeypatch.setattr(reasons_export, "_PART_ROWS", 150)
        finish = ReasonsExport.finish
        finished: list[str] = []

        def finish_two(export: ReasonsExport, tables: Any, last_id: str) -> None:
            if len(finished) == 2:
                raise KeyboardInterrupt
            finished.append(last_id)
            finish(export, tables, last_id)

        monkeypatch.setattr(ReasonsExport, "finish", finish_two)
        assert self.export(recorded, twice_trained_home, file).exit_code != 0
        assert not file.exists()
        monkeypatch.setattr(ReasonsExport, "finish", finish)
        result = self.export(recorded, twice_trained_home, file)
        assert "decisions that are already explained" in result.output
        assert pq.read_table(file).equals(pq.read_table(whole))
        assert [path.name for path in tmp_path.glob(".reasons-*")] == []

    def test_an_export_that_resumes_reports_what_was_left_out_before(
        self, recorded: Ledger, twice_trained_home: TrainedHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first single decision is damaged, and the model does not reproduce the others."""
        file = tmp_path / "reasons.parquet"
        with open_engine(recorded.url).begin() as connection:
            first = connection.scalar(select(decisions.c.id).order_by(decisions.c.id).limit(1))
            connection.execute(update(decisions).where(decisions.c.id == first).values(features={}))
            connection.execute(update(decisions).where(decisions.c.id > first).values(probability=0.001))
        monkeypatch.setattr(reasons_export, "_PART_ROWS", 150)
        finish = ReasonsExport.finish

        def finish_one(export: ReasonsExport, tables: Any, last_id: str) -> None:
            if export.finished:
                raise KeyboardInterrupt
            finish(export, tables, last_id)

        monkeypatch.setattr(ReasonsExport, "finish", finish_one)
        assert self.export(recorded, twice_trained_home, file).exit_code != 0
        monkeypatch.setattr(ReasonsExport, "finish", finish)
        (folder,) = tmp_path.glob(".reasons-*")
        # A kill while a part is written leaves its draft.
        (folder / ".export-draft").mkdir()
        result = self.export(recorded, twice_trained_home, file)
        assert (result.exit_code, str(first) in result.output) == (1, True)
        assert "were not explained: The model that decided no longer reproduces the decision." in result.output
        assert file.exists()
        assert list(tmp_path.glob(".reasons-*")) == []

    def test_decisions_of_a_version_that_has_left_are_counted(
        self, recorded: Ledger, twice_trained_home: TrainedHome, tmp_path: Path
    ) -> None:
        recorded.single(Decider(twice_trained_home.settings.model_name, "77", "9.0.0", 0.5), probability=0.25)
        result = self.export(recorded, twice_trained_home, tmp_path / "reasons.parquet")
        assert result.exit_code == 1
        assert (
            "1 decisions were not explained: Version 9.0.0 of loan_approval_model has left the registry."
            in result.output
        )
        assert pq.read_metadata(tmp_path / "reasons.parquet").num_rows > 300

    def test_files_of_other_kinds_are_refused(
        self, recorded: Ledger, twice_trained_home: TrainedHome, tmp_path: Path
    ) -> None:
        result = self.export(recorded, twice_trained_home, tmp_path / "reasons.csv")
        assert (result.exit_code, list(tmp_path.glob("reasons*"))) == (2, [])
