"""Ingestion is strict: it reports a problem in one line, by row and column, without repeating a value."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loan_api.settings import SAMPLE_DATASET, locate_dataset
from training.data.dataset import COLUMNS, read_dataset
from training.errors import DatasetError

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
    dataset = read_dataset(write(HEADER, *ROWS))
    by_row = dataset.applications.assign(outcome=dataset.outcomes).sort_index()
    assert by_row.index.tolist() == [2, 3, 4]  # row numbers in the file
    assert by_row["outcome"].tolist() == [1, 0, 0]
    assert by_row["education"].tolist() == ["Graduate", "Not Graduate", "Graduate"]
    assert by_row["residential_assets_value"].tolist() == [2400000.0, 2700000.0, -100000.0]
    assert str(dataset.applications["cibil_score"].dtype) == "float64"


def test_the_order_of_the_rows_changes_nothing(write: Write) -> None:
    one, other = (read_dataset(write(HEADER, *rows)) for rows in (ROWS, reversed(ROWS)))
    assert one.applications.to_numpy().tolist() == other.applications.to_numpy().tolist()
    assert one.outcomes.tolist() == other.outcomes.tolist()


@pytest.mark.parametrize(("encoding", "end"), [("utf-8-sig", "\n"), ("utf-8", "\r\n")])
def test_the_forms_that_spreadsheets_write_are_read(write: Write, encoding: str, end: str) -> None:
    assert len(read_dataset(write(HEADER, *ROWS, encoding=encoding, end=end)).applications) == 3


@pytest.mark.parametrize("empty", [",,,,,,,,,,,,", ",,", " , ,", '"",""'])
def test_rows_of_empty_cells_are_skipped(write: Write, empty: str) -> None:
    """Spreadsheets add such rows at the end."""
    dataset = read_dataset(write(HEADER, ROWS[0], empty, *ROWS[1:], empty, empty))
    assert dataset.digest == read_dataset(write(HEADER, *ROWS)).digest
    assert dataset.rows_read == 3


def test_spaces_after_a_closing_quote_do_not_matter(write: Write) -> None:
    quoted = (", ".join(f'"{cell.strip()}" ' for cell in row.split(",")) for row in ROWS)
    assert read_dataset(write(HEADER, *quoted)).digest == read_dataset(write(HEADER, *ROWS)).digest


def test_blank_lines_do_not_matter_and_columns_may_come_in_any_order(write: Write) -> None:
    def turned(line: str) -> str:
        return ",".join(reversed(line.split(",")))

    straight = read_dataset(write(HEADER, *ROWS))
    assert read_dataset(write(turned(HEADER), "", *map(turned, ROWS), "")).digest == straight.digest


def test_the_digest_is_of_the_content_alone(write: Write, tmp_path: Path) -> None:
    original = read_dataset(write(HEADER, *ROWS)).digest
    assert read_dataset(write(HEADER, *reversed(ROWS))).digest == original
    assert read_dataset(write(HEADER, *(row.replace(" ", "") if "Not" not in row else row for row in ROWS))).digest == (
        original
    )
    assert read_dataset(write(HEADER, *ROWS).rename(tmp_path / "other.csv")).digest == original
    assert read_dataset(write(*changed(0, "cibil_score", "777"))).digest != original


def test_a_repeated_application_is_dropped_and_counted(write: Write) -> None:
    dataset = read_dataset(write(HEADER, *ROWS, ROWS[0].replace("1,", "4,", 1)))
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
        ((HEADER + ", favourite", *(row + ",1" for row in ROWS)), "row 1: column number 14 is not one of loan_id"),
        ((HEADER.replace(",", ";"), *ROWS), "row 1: the columns are separated by semicolons; use commas"),
        ((HEADER, ROWS[0], ROWS[1] + ",1"), "row 3: 14 values for 13 columns"),
        ((HEADER, ROWS[0], "2,0"), "row 3: 2 values for 13 columns"),
        ((HEADER, ROWS[0], '2,"0'), "row 3: is not valid CSV"),
        (changed(1, "loan_status", " Pending"), "row 3, column loan_status: expected one of Approved, Rejected"),
        (changed(1, "loan_status", "approved"), "row 3, column loan_status: expected one of Approved, Rejected"),
        (changed(1, "loan_status", ""), "row 3, column loan_status: expected one of Approved, Rejected"),
        (changed(2, "education", "Post Doc"), "row 4, column education: expected one of Graduate, Not Graduate"),
        (changed(0, "cibil_score", ""), "row 2, column cibil_score: expected a whole number from 300 to 900"),
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
        read_dataset(write(*lines))
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message


def test_further_problems_are_counted(write: Write) -> None:
    lines = (HEADER, *(row.replace("Approved", "Pending").replace("Rejected", "Pending") for row in ROWS))
    with pytest.raises(DatasetError, match=r"row 2, column loan_status: .* \(and 2 more\)$"):
        read_dataset(write(*lines))


def test_problems_are_reported_in_the_order_of_the_file(write: Write) -> None:
    """The row decides before the column."""
    header, first, second, third = changed(0, "loan_status", "Pending")
    lines = (header, first, second + ",1", third.replace(third.split(",")[0], "", 1))
    with pytest.raises(DatasetError, match=r"row 2, column loan_status: .* \(and 2 more\)$"):
        read_dataset(write(*lines))
    with pytest.raises(DatasetError, match=r"row 2, column loan_status: .* \(and 1 more\)$"):
        read_dataset(write(header, first, second.replace("Not Graduate", '"Not" Graduate')))
    with pytest.raises(DatasetError, match=r"row 3: 14 values for 13 columns \(and 1 more\)$"):
        read_dataset(write(header, ROWS[0], *lines[2:]))
    cells = first.split(",")
    cells[COLUMNS.index("cibil_score")] = "299"
    with pytest.raises(DatasetError, match=r"row 2, column cibil_score: .* \(and 3 more\)$"):
        read_dataset(write(header, ",".join(cells), *lines[2:]))


@pytest.mark.parametrize("value", ["4711.17", "Secret"])
def test_a_wrong_value_is_not_repeated(write: Write, value: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_dataset(write(*changed(0, "loan_term", value)))
    assert value not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(DatasetError, match=f"^{path}: cannot be read"):
            read_dataset(path)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(DatasetError, match="is not UTF-8 text"):
        read_dataset(binary)


def test_the_user_s_file_goes_before_the_sample(tmp_path: Path) -> None:
    assert locate_dataset(tmp_path / "mine.csv") == tmp_path / "mine.csv"
    assert read_dataset(SAMPLE_DATASET).is_sample
