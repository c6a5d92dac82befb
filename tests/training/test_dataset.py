"""Ingestion is strict: it reports a problem in one line, by row and column, without repeating a value."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loan_api.credit.form import parse_form
from loan_api.settings import DEFAULT_DATASET, SAMPLE_DATASET, SettingsError, locate_dataset, read_settings
from tests.support.forms import GERMAN, SHIPPED
from training.data.dataset import Dataset, read_dataset
from training.errors import DatasetError

COLUMNS = ("loan_id", *SHIPPED.names, "loan_status")
HEADER = ", ".join(COLUMNS)
ROWS = (
    "1,2, Graduate, No,9600000,29900000,12,778,2400000,17600000,22700000,8000000, Approved",
    "2,0, Not Graduate, Yes,4100000,12200000,8,417,2700000,2200000,8800000,3300000, Rejected",
    "3,3, Graduate, No,9100000,29700000,20,506,-100000,4500000,33300000,12800000, Rejected",
)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes lines to a file."""

    def write_lines(*lines: str, encoding: str = "utf-8", end: str = "\n") -> Path:
        path = tmp_path / "applications.csv"
        path.write_text(end.join(lines) + end, encoding=encoding, newline="")
        return path

    return write_lines


def changed(row: int, column: str, value: str) -> tuple[str, ...]:
    """Return the valid lines with one value changed; `row` counts from 0."""
    cells = [line.split(",") for line in ROWS]
    cells[row][COLUMNS.index(column)] = value
    return (HEADER, *(",".join(line) for line in cells))


def test_spaces_are_stripped_and_types_are_those_declared(write: Write) -> None:
    dataset = read_dataset(SHIPPED, write(HEADER, *ROWS))
    by_row = dataset.applications.assign(outcome=dataset.outcomes).sort_index()
    assert by_row.index.tolist() == [2, 3, 4]  # row numbers in the file
    assert by_row["outcome"].tolist() == [1, 0, 0]
    assert by_row["education"].tolist() == ["Graduate", "Not Graduate", "Graduate"]
    assert by_row["residential_assets_value"].tolist() == [2400000.0, 2700000.0, -100000.0]
    assert str(dataset.applications["cibil_score"].dtype) == "float64"


def test_the_order_of_the_rows_changes_nothing(write: Write) -> None:
    one, other = (read_dataset(SHIPPED, write(HEADER, *rows)) for rows in (ROWS, reversed(ROWS)))
    assert one.applications.to_numpy().tolist() == other.applications.to_numpy().tolist()
    assert one.outcomes.tolist() == other.outcomes.tolist()


@pytest.mark.parametrize(("encoding", "end"), [("utf-8-sig", "\n"), ("utf-8", "\r\n")])
def test_the_forms_that_spreadsheets_write_are_read(write: Write, encoding: str, end: str) -> None:
    assert len(read_dataset(SHIPPED, write(HEADER, *ROWS, encoding=encoding, end=end)).applications) == 3


@pytest.mark.parametrize("empty", [",,,,,,,,,,,,", ",,", " , ,", '"",""'])
def test_rows_of_empty_cells_are_skipped(write: Write, empty: str) -> None:
    """Spreadsheets add such rows at the end."""
    dataset = read_dataset(SHIPPED, write(HEADER, ROWS[0], empty, *ROWS[1:], empty, empty))
    assert dataset.digest == read_dataset(SHIPPED, write(HEADER, *ROWS)).digest
    assert dataset.rows_read == 3


def test_spaces_after_a_closing_quote_do_not_matter(write: Write) -> None:
    quoted = (", ".join(f'"{cell.strip()}" ' for cell in row.split(",")) for row in ROWS)
    assert read_dataset(SHIPPED, write(HEADER, *quoted)).digest == read_dataset(SHIPPED, write(HEADER, *ROWS)).digest


def test_blank_lines_do_not_matter_and_columns_may_come_in_any_order(write: Write) -> None:
    def turned(line: str) -> str:
        return ",".join(reversed(line.split(",")))

    straight = read_dataset(SHIPPED, write(HEADER, *ROWS))
    assert read_dataset(SHIPPED, write(turned(HEADER), "", *map(turned, ROWS), "")).digest == straight.digest


def test_the_digest_is_of_the_content_alone(write: Write, tmp_path: Path) -> None:
    original = read_dataset(SHIPPED, write(HEADER, *ROWS)).digest
    assert read_dataset(SHIPPED, write(HEADER, *reversed(ROWS))).digest == original
    without_spaces = (row.replace(" ", "") if "Not" not in row else row for row in ROWS)
    assert read_dataset(SHIPPED, write(HEADER, *without_spaces)).digest == original
    assert read_dataset(SHIPPED, write(HEADER, *ROWS).rename(tmp_path / "other.csv")).digest == original
    assert read_dataset(SHIPPED, write(*changed(0, "cibil_score", "777"))).digest != original


def test_a_repeated_application_is_dropped_and_counted(write: Write) -> None:
    dataset = read_dataset(SHIPPED, write(HEADER, *ROWS, ROWS[0].replace("1,", "4,", 1)))
    assert len(dataset.applications) == len(dataset.outcomes) == 3
    assert dataset.repeated_rows == 1
    assert dataset.rows_read == 4


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("",), "row 1: the file is empty"),
        ((HEADER,), "row 2: there are no applications in the file"),
        ((HEADER.replace(", cibil_score", ""), *ROWS), "row 1: column cibil_score is missing"),
        ((HEADER.replace("loan_term", "cibil_score"), *ROWS), "row 1: column loan_term is missing"),
        ((HEADER + ", cibil_score", *(row + ",1" for row in ROWS)), "row 1: column cibil_score appears 2 times"),
        (
            (HEADER + ", favourite", *(row + ",1" for row in ROWS)),
            "row 1: column number 14, 'favourite', is not in the form",
        ),
        ((HEADER.replace(",", ";"), *ROWS), "row 1: the columns are separated by semicolons; use commas"),
        ((HEADER, ROWS[0], ROWS[1] + ",1"), "row 3: 14 values for 13 columns"),
        ((HEADER, ROWS[0], "2,0"), "row 3: 2 values for 13 columns"),
        ((HEADER, ROWS[0], '2,"0'), "row 3: is not valid CSV"),
        (changed(1, "loan_status", " Pending"), "row 3, column loan_status: expected one of Approved, Rejected"),
        (changed(1, "loan_status", "approved"), "row 3, column loan_status: expected one of Approved, Rejected"),
        (changed(1, "loan_status", ""), "row 3, column loan_status: expected one of Approved, Rejected"),
        (changed(2, "education", "Post Doc"), "row 4, column education: expected one of Graduate, Not Graduate"),
        (changed(0, "cibil_score", ""), "row 2, column cibil_score: is missing, but the feature is not optional"),
        (changed(0, "cibil_score", "nan"), "row 2, column cibil_score: expected a whole number from 300 to 900"),
        (changed(0, "cibil_score", "299"), "row 2, column cibil_score: expected a whole number from 300 to 900"),
        (changed(0, "cibil_score", "700.5"), "row 2, column cibil_score: expected a whole number from 300 to 900"),
        (changed(0, "income_annum", "0"), "row 2, column income_annum: expected a number from 1 to"),
        (changed(0, "income_annum", "inf"), "row 2, column income_annum: expected a number from 1 to"),
        (changed(0, "income_annum", "9,6"), "row 2: 14 values for 13 columns"),
        (changed(0, "income_annum", "many"), "row 2, column income_annum: expected a number from 1 to"),
        (changed(0, "loan_term", "-2"), "row 2, column loan_term: expected a whole number from 1 to 50"),
        (changed(1, "loan_id", "1"), "row 3, column loan_id: repeats the identifier of row 2"),
        (changed(1, "loan_id", ""), "row 3, column loan_id: is empty"),
        ((HEADER, *ROWS, HEADER, *ROWS), "row 5: repeats the header (and 3 more)"),
        ((HEADER, *ROWS, ",".join(reversed(HEADER.split(",")))), "row 5: repeats the header"),
        ((HEADER.replace(",", "\t"), *ROWS), "row 1: the columns are separated by tabs; use commas"),
        ((f",{HEADER}", *(f"{index},{row}" for index, row in enumerate(ROWS))), "row 1: there is an index column"),
        ((f"{HEADER},__index_level_0__", *(f"{row},1" for row in ROWS)), "row 1: there is an index column"),
        ((HEADER, ROWS[1], ROWS[2]), "column loan_status: every application has the same outcome"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(write: Write, lines: tuple[str, ...], expected: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_dataset(SHIPPED, write(*lines))
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message


def test_further_problems_are_counted(write: Write) -> None:
    lines = (HEADER, *(row.replace("Approved", "Pending").replace("Rejected", "Pending") for row in ROWS))
    with pytest.raises(DatasetError, match=r"row 2, column loan_status: .* \(and 2 more\)$"):
        read_dataset(SHIPPED, write(*lines))


def test_problems_are_reported_in_the_order_of_the_file(write: Write) -> None:
    """The row decides before the column."""
    header, first, second, third = changed(0, "loan_status", "Pending")
    lines = (header, first, second + ",1", third.replace(third.split(",")[0], "", 1))
    with pytest.raises(DatasetError, match=r"row 2, column loan_status: .* \(and 2 more\)$"):
        read_dataset(SHIPPED, write(*lines))
    with pytest.raises(DatasetError, match=r"row 2, column loan_status: .* \(and 1 more\)$"):
        read_dataset(SHIPPED, write(header, first, second.replace("Not Graduate", '"Not" Graduate')))
    with pytest.raises(DatasetError, match=r"row 3: 14 values for 13 columns \(and 1 more\)$"):
        read_dataset(SHIPPED, write(header, ROWS[0], *lines[2:]))
    cells = first.split(",")
    cells[COLUMNS.index("cibil_score")] = "299"
    with pytest.raises(DatasetError, match=r"row 2, column cibil_score: .* \(and 3 more\)$"):
        read_dataset(SHIPPED, write(header, ",".join(cells), *lines[2:]))


@pytest.mark.parametrize("value", ["4711.17", "Secret"])
def test_a_wrong_value_is_not_repeated(write: Write, value: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_dataset(SHIPPED, write(*changed(0, "loan_term", value)))
    assert value not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(DatasetError, match=f"^{path}: cannot be read"):
            read_dataset(SHIPPED, path)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(DatasetError, match="is not UTF-8 text"):
        read_dataset(SHIPPED, binary)


def test_the_configured_file_takes_precedence_over_the_sample(tmp_path: Path) -> None:
    settings = read_settings({"DATASET_PATH": str(tmp_path / "mine.csv")})
    assert locate_dataset(settings) == tmp_path / "mine.csv"
    assert locate_dataset(read_settings({})) in (DEFAULT_DATASET, SAMPLE_DATASET)
    assert read_dataset(SHIPPED, SAMPLE_DATASET).is_sample


def test_another_form_needs_its_own_dataset(tmp_path: Path) -> None:
    form = tmp_path / "form.toml"
    form.write_text(GERMAN.text, encoding="utf-8")
    with pytest.raises(SettingsError, match=f"DATASET_PATH is not set; set it to the training data of the form {form}"):
        locate_dataset(read_settings({"FEATURES_PATH": str(form)}))


OTHER_FORM = """
[form]
name = "small_loans"

[outcome]
column = "result"
approved = ["paid", " settled early "]
rejected = "defaulted"

[dataset]
ignored = ["branch", "officer"]
missing = ["NA", "?"]

[features.loan_amount]
type = "number"
description = "Amount."
minimum = 1
maximum = 1000

[features.years]
type = "integer"
description = "Years at the address."
minimum = 0
maximum = 80
optional = true

[features.housing]
type = "category"
description = "Housing."
values = ["own", "rent", "none"]
optional = true
"""
OTHER_HEADER = "loan_amount,years,housing,result"


def read_other(write: Write, *lines: str, form: str = OTHER_FORM) -> Dataset:
    return read_dataset(parse_form(form), write(*lines))


def test_cells_that_are_empty_or_hold_a_missing_marker_are_missing(write: Write) -> None:
    rows = ("10,3,own,paid", "20,,rent,defaulted", "30, NA ,?,paid", "40,5,,defaulted", "50,,,paid")
    dataset = read_other(write, OTHER_HEADER, *rows)
    applications = dataset.applications.sort_index()
    assert applications["years"].isna().tolist() == [False, True, True, False, True]
    assert applications["housing"].tolist() == ["own", "rent", None, None, None]
    assert applications["loan_amount"].tolist() == [10.0, 20.0, 30.0, 40.0, 50.0]


def test_the_marker_makes_no_difference_to_the_digest(write: Write) -> None:
    one, other = (
        read_other(write, OTHER_HEADER, "10,3,own,paid", f"20,{marker},{marker},defaulted") for marker in ("", "NA")
    )
    assert one.digest == other.digest


def test_applications_with_the_same_missing_cells_are_duplicates(write: Write) -> None:
    dataset = read_other(write, OTHER_HEADER, "10,,?,paid", "10,NA,,paid", "10,0,none,paid", "20,,,defaulted")
    assert (len(dataset.applications), dataset.repeated_rows) == (3, 1)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("10,3,own,paid", "?,3,own,defaulted"), "row 3, column loan_amount: is missing, but the feature is not opt"),
        (("10,nan,own,paid",), "row 2, column years: expected a whole number from 0 to 80"),
        (("10,-,own,paid",), "row 2, column years: expected a whole number from 0 to 80"),
        (("10,3,null,paid",), "row 2, column housing: expected one of own, rent, none"),
        (("10,3,own,NA",), "row 2, column result: expected one of paid, settled early, defaulted"),
        (("10,,own,paid", "20,NA,rent,defaulted"), "column years: is missing in every application; remove it"),
        (("10,3,,paid", "20,4,?,defaulted"), "column housing: is missing in every application; remove it"),
    ],
)
def test_problems_with_missing_cells_are_reported(write: Write, lines: tuple[str, ...], expected: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_other(write, OTHER_HEADER, *lines)
    assert expected in str(caught.value)


def test_every_text_that_the_form_declares_is_an_outcome(write: Write) -> None:
    dataset = read_other(write, OTHER_HEADER, "1,3,own,paid", "2,3,own,settled early", "3,4,own,defaulted")
    assert dataset.outcomes.sort_index().tolist() == [1, 1, 0]


def test_ignored_columns_may_be_there_and_do_not_matter(write: Write) -> None:
    plain = read_other(write, OTHER_HEADER, "1,3,own,paid", "2,4,rent,defaulted")
    wide = read_other(write, f"officer,{OTHER_HEADER},branch,branch", "x,1,3,own,paid,,1", ",2,4,rent,defaulted,y,2")
    assert list(wide.applications) == ["loan_amount", "years", "housing"]
    assert wide.digest == plain.digest


def test_an_unknown_column_is_named_with_the_remedy(write: Write) -> None:
    with pytest.raises(DatasetError) as caught:
        read_other(write, f"{OTHER_HEADER},colour", "1,3,own,paid,red")
    assert str(caught.value).endswith(
        "row 1: column number 5, 'colour', is not in the form; declare it as a feature or list it in dataset.ignored"
    )


@pytest.mark.parametrize(
    "header",
    [
        "Loan Amount,Years,HOUSING,Result",
        "loan-amount, years ,housing,result",
        '"loan amount (\n)",years.,_housing_,"result:"',
        "LOAN_AMOUNT,years,housing,result",
    ],
)
def test_columns_are_found_by_the_names_that_features_could_have(write: Write, header: str) -> None:
    dataset = read_other(write, header, "1,3,own,paid", "2,4,rent,defaulted")
    assert list(dataset.applications) == ["loan_amount", "years", "housing"]


def test_two_columns_with_the_same_normalised_name_are_refused(write: Write) -> None:
    with pytest.raises(DatasetError, match="row 1: column loan_amount appears 2 times"):
        read_other(write, f"{OTHER_HEADER},Loan Amount", "1,3,own,paid,2")


def test_features_that_differ_only_in_case_need_exact_names(write: Write) -> None:
    form = OTHER_FORM.replace("features.years", "features.Loan_Amount")
    rows = ("1,3,own,paid", "2,4,rent,defaulted")
    dataset = read_other(write, "loan_amount,Loan_Amount,housing,result", *rows, form=form)
    assert dataset.applications["Loan_Amount"].sort_index().tolist() == [3.0, 4.0]
    with pytest.raises(DatasetError, match="row 1: column Loan_Amount is missing"):
        read_other(write, "loan_amount,LOAN AMOUNT,housing,result", *rows, form=form)


def test_an_ignored_column_without_latin_letters_is_not_the_index_column(write: Write) -> None:
    form = OTHER_FORM.replace('"officer"', '"担当"')
    read_other(write, f"担当,{OTHER_HEADER}", "x,1,3,own,paid", "y,2,4,rent,defaulted", form=form)
    with pytest.raises(DatasetError, match="row 1: there is an index column"):
        read_other(write, f",{OTHER_HEADER}", "0,1,3,own,paid", "1,2,4,rent,defaulted", form=form)


def test_features_with_one_value_are_noted(write: Write) -> None:
    dataset = read_other(write, OTHER_HEADER, "1,3,own,paid", "2,3,own,defaulted")
    assert dataset.constant == ("years", "housing")
    dataset = read_other(write, OTHER_HEADER, "1,3,own,paid", "2,,own,defaulted")
    assert dataset.constant == ("housing",)
