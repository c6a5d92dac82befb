"""The CSV dialect of batches and datasets."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.formats.csv_text import MalformedCsvError, read_csv


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('a,b\n"1" ,"2"\t\n', [["a", "b"], ["1", "2"]]),
        ('"a" , "b"\r\n 1, "2"', [["a", "b"], ["1", "2"]]),
        ("\ufeffa,b\r1,2\r", [["a", "b"], ["1", "2"]]),
        ('a,b\n"x"" ,y" ,"" \n', [["a", "b"], ['x" ,y', ""]]),
        ('a,b\n5" ,6" \n', [["a", "b"], ['5" ', '6" ']]),
        ('a,b\n"two\nlines" ,2\n', [["a", "b"], ["two\nlines", "2"]]),
        ("\n,\na,b\n\n,\n1,2\n,,,\n", [["a", "b"], ["1", "2"]]),
        ("", []),
    ],
)
def test_spaces_quotes_and_empty_rows(text: str, rows: list[list[str]]) -> None:
    assert [row for _, row in read_csv(text.encode())] == rows


def test_rows_are_numbered_by_the_line_they_start_on() -> None:
    numbered = read_csv(b'a,b\n"two\nlines",2\n\n,\n3,4\n')
    assert [line for line, _ in numbered] == [1, 2, 6]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b'a,b\n1,2\n"1" x,2\n', 3, "is not valid CSV."),
        (b'a,b\n1,"2\n3,4\n', 2, "is not valid CSV."),
        (b"a,b\n1,2\n\xff,2\n", 3, "is not UTF-8 text."),
        (b"a,b\n" + b"x" * 200_000, 2, "is not valid CSV."),
    ],
)
def test_the_line_of_an_error_is_named(content: bytes, line: int, problem: str) -> None:
    with pytest.raises(MalformedCsvError) as malformed:
        list(read_csv(content))
    assert (malformed.value.line, malformed.value.problem) == (line, problem)
    assert str(malformed.value) == f"Line {line} {problem}"


CELLS = st.text(st.sampled_from('a", \t\n'), max_size=6)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4))
def test_cells_keep_their_content(rows: list[tuple[str, str]]) -> None:
    """Check that everything a strict writer quotes is restored, except for empty rows."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    assert [row for _, row in read_csv(text.getvalue().encode())][1:] == [list(row) for row in rows if any(row)]
