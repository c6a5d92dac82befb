"""The project's one CSV dialect, for batches and for datasets.

Cells are separated by commas. Spaces around a cell do not matter, even outside its quotes, as spreadsheets and people
write them. A byte order mark and any line ending are fine. Rows without content are skipped.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

# Consumes each quoted cell whole, so that a separator inside quotes is not mistaken for the end of a cell.
_QUOTED_CELL = re.compile(r'(?<![^,\r\n])([ \t]*"(?:[^"]|"")*+")[ \t]*')
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class MalformedCsvError(ValueError):
    """A text is not CSV. Its message completes "Line 3 …" and quotes no cell."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"Line {line} {problem}")
        self.line = line
        self.problem = problem


def read_csv(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each row and the number of the line it starts on; cells may still be surrounded by spaces.

    Raises MalformedCsvError if the content is not UTF-8 or not CSV.
    """
    reader = csv.reader(StringIO(_decoded(content), newline=""), skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            if any(row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error:
        # Not chained: the parser's message may quote the text.
        raise MalformedCsvError(line, "is not valid CSV.") from None


def csv_line(cells: Iterable[Any]) -> str:
    """Return a line of the dialect, quoted where necessary; None is an empty cell."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def other_separator(header: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the plural name of the character that separates known names within a cell of the header, if any."""
    for separator, name in _OTHER_SEPARATORS.items():
        parts = {part.strip(' "') for cell in header if separator in cell for part in cell.split(separator)}
        if not parts.isdisjoint(known):
            return name
    return None


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedCsvError(content.count(b"\n", 0, error.start) + 1, "is not UTF-8 text.") from None
    if '" ' in text or '"\t' in text:
        text = _QUOTED_CELL.sub(r"\1", text)
    return text
