"""Drafts of forms: they are valid, read the file they were made from, and comment on what is doubtful."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from loan_api.credit.form import Form, parse_form
from loan_api.settings import PROJECT_ROOT, SAMPLE_DATASET
from training.commands import cli
from training.data.dataset import read_dataset
from training.data.draft import draft_form
from training.errors import DatasetError

GERMAN_DATASET = PROJECT_ROOT / "dataset" / "german_credit.csv"
ROWS = 60


def written(path: Path, **columns: list[object]) -> Path:
    """Write a dataset with an outcome and the given columns."""
    columns = {"age": [20 + row % 40 for row in range(ROWS)], **columns}
    columns["paid back"] = ["yes" if row % 3 else "no" for row in range(ROWS)]
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def drafted(path: Path) -> tuple[Form, str]:
    text = draft_form(path, "paid back", "yes", "no")
    return parse_form(text), text


@pytest.mark.parametrize(
    ("file", "outcome", "approved", "rejected", "features"),
    [
        (GERMAN_DATASET, "creditability", "good", "bad", 20),
        (SAMPLE_DATASET, "loan_status", "Approved", "Rejected", 11),
    ],
)
def test_a_draft_reads_its_dataset_unedited(
    file: Path, outcome: str, approved: str, rejected: str, features: int
) -> None:
    form = parse_form(draft_form(file, outcome, approved, rejected))
    assert len(form.features) == features
    assert len(read_dataset(form, file).outcomes) > 0


def test_missing_cells_make_a_feature_optional(tmp_path: Path) -> None:
    income: list[object] = ["NA" if row % 7 == 0 else 1000 + row for row in range(ROWS)]
    file = written(tmp_path / "loans.csv", **{"Monthly income": income})
    form, _ = drafted(file)
    found = next(feature for feature in form.features if feature.name == "Monthly_income")
    assert found.optional
    assert read_dataset(form, file).applications["Monthly_income"].isna().any()


@pytest.mark.parametrize(
    ("values", "comment"),
    [
        ([f"2024-01-{1 + row % 28:02}" for row in range(ROWS)], "looks like a date"),
        (["late" if row % 3 == 0 else "fine" for row in range(ROWS)], "alone reveals the outcome"),
        ([row % 3 * 10 for row in range(ROWS)], "alone reveals the outcome"),
        ([7] * ROWS, "the same value in every application"),
        ([""] * ROWS, "is always missing"),
    ],
)
def test_a_doubtful_column_is_ignored_with_the_reason(tmp_path: Path, values: list[object], comment: str) -> None:
    form, text = drafted(written(tmp_path / "loans.csv", doubtful=values))
    assert form.dataset.ignored == ("doubtful",)
    assert any(line.startswith("# doubtful: ") and comment in line for line in text.splitlines())


def test_a_column_of_different_numbers_that_count_up_is_the_identifier(tmp_path: Path) -> None:
    form, _ = drafted(written(tmp_path / "loans.csv", number=list(range(ROWS))))
    assert form.dataset.identifier == "number"


def test_an_unknown_outcome_names_the_columns(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no column default; the columns are age, paid back"):
        draft_form(written(tmp_path / "loans.csv"), "default", "yes", "no")


def test_an_unknown_value_names_the_values(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="column paid back has no value 'good'; it has no, yes"):
        draft_form(written(tmp_path / "loans.csv"), "paid back", "good", "no")


def test_the_commands_print_a_draft_and_accept_it(tmp_path: Path) -> None:
    outcome = ["--outcome", "creditability", "--approved", "good", "--rejected", "bad"]
    printed = CliRunner().invoke(cli, ["form", "draft", str(GERMAN_DATASET), *outcome])
    assert printed.exit_code == 0
    file = tmp_path / "form.toml"
    file.write_text(printed.output, encoding="utf-8")
    checked = CliRunner().invoke(cli, ["form", "check", str(file)])
    assert (checked.exit_code, checked.output) == (0, f"{file} is valid: German credit, 20 features, 0 derived.\n")


def test_the_check_reports_every_error_by_key(tmp_path: Path) -> None:
    file = tmp_path / "form.toml"
    file.write_text('[form]\nname = "a b"\n[features.x]\ntype = "number"\n', encoding="utf-8")
    checked = CliRunner().invoke(cli, ["form", "check", str(file)])
    assert checked.exit_code == 1
    keys = {line.split(": ")[-2] for line in checked.output.splitlines()}
    assert {"form.name", "outcome", "features.x.description", "features.x.minimum", "features.x.maximum"} <= keys
