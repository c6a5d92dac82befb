"""Declarations in TOML: tables that report every problem by key, for the form and the policy."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORD = re.compile(r"[A-Za-z0-9_]+")
_LONGEST_TEXT = 500
# Trees compare numbers in float32, whose limit is 3e38, and derived features may be products.
_LARGEST_NUMBER = 1e30
# Above this limit, float64 cannot represent every whole number.
_LARGEST_WHOLE = 2**53


@dataclass(frozen=True)
class Problem:
    """One error in a file and the key that it concerns, such as `features.income.minimum`."""

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}" if self.key else self.text


class TomlError(ValueError):
    """A file is not valid. `problems` holds every error found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def read_text(path: Path, failure: type[TomlError]) -> str:
    """Return the text of a file. Raises `failure` if it cannot be read."""
    try:
        # As bytes, because reading text would change the ends of lines, and thus the digest.
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise failure([Problem("", f"the file cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise failure([Problem("", "the file is not UTF-8 text")]) from error


def parse_toml(text: str, most_characters: int, failure: type[TomlError]) -> Mapping[str, Any]:
    """Parse a text of limited length. Raises `failure`."""
    if len(text) > most_characters:
        raise failure([Problem("", f"has {len(text)} characters; at most {most_characters} are supported")])
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise failure([Problem("", f"is not valid TOML: {error}")]) from error
    except ValueError as error:
        # Python's limit on the digits of an integer, which tomllib does not turn into an error of its own.
        raise failure([Problem("", "is not valid TOML: a number has too many digits")]) from error


class Table:
    """A TOML table that reports problems by key. Each getter takes a key once; `end` reports the ones left."""

    def __init__(self, content: Mapping[str, Any], key: str, problems: list[Problem]) -> None:
        self._rest = dict(content)
        self._key = key
        self._problems = problems

    def wrong(self, name: str, text: str) -> None:
        """Report a problem with the key `name` of this table, or with the table itself if it is empty."""
        key = f"{self._key}.{name}" if self._key and name else self._key or name
        self._problems.append(Problem(key, text))

    def table(self, name: str, *, required: bool = True) -> "Table":
        """Take a table; an empty one if it is missing or not a table."""
        content = self._rest.pop(name, None)
        if content is None and required:
            self.wrong(name, "is missing")
        elif content is not None and not isinstance(content, dict):
            self.wrong(name, "must be a table")
        return Table(content if isinstance(content, dict) else {}, name, self._problems)

    def tables(self, name: str, *, required: bool = True) -> "dict[str, Table]":
        """Take a table of tables."""
        content = self._rest.pop(name, {})
        if required and (not isinstance(content, dict) or not content):
            self.wrong(name, "must hold at least one table")
        found = {}
        for inner, values in content.items() if isinstance(content, dict) else ():
            if isinstance(values, dict):
                found[inner] = Table(values, f"{name}.{inner}", self._problems)
            else:
                self.wrong(f"{name}.{inner}", "must be a table")
        return found

    def rows(self, name: str, key_of: Callable[[int, Mapping[str, Any]], str]) -> "list[Table]":
        """Take an optional array of tables; `key_of` returns the key of one by its position and content."""
        content = self._rest.pop(name, [])
        if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
            self.wrong(name, f"must be tables that begin with [[{name}]]")
            return []
        return [Table(values, key_of(place, values), self._problems) for place, values in enumerate(content)]

    def text(
        self, name: str, default: str | None = None, pattern: re.Pattern[str] | None = None, expected: str = ""
    ) -> str:
        """Take a text without control characters. It is required unless there is a default."""
        value = self._rest.pop(name, default)
        if value is None:
            self.wrong(name, "is missing")
        elif not isinstance(value, str) or not value.strip() or not value.isprintable():
            if value != default:
                self.wrong(name, "must be one line of printable text")
        elif len(value) > _LONGEST_TEXT:
            self.wrong(name, f"must have at most {_LONGEST_TEXT} characters")
        elif pattern is not None and value != default and not pattern.fullmatch(value):
            self.wrong(name, f"must consist of {expected}")
        else:
            return value
        return default or ""

    def texts(self, name: str, default: Sequence[str] | None = None, *, one_is_enough: bool = False) -> tuple[str, ...]:
        """Take a list of distinct texts, or a single one if that is enough. Empty texts are allowed in it."""
        value = self._rest.pop(name, default)
        if one_is_enough and not isinstance(value, list) and value is not None:
            value = [value]
        if value is None:
            self.wrong(name, "is missing")
        elif not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            self.wrong(name, "must be a text or a list of texts" if one_is_enough else "must be a list of texts")
        elif not value and default is None:
            self.wrong(name, "must not be empty")
        elif repeated := [each for place, each in enumerate(value) if each in value[:place]]:
            self.wrong(name, f"repeats {repeated[0]!r}")
        else:
            return tuple(value)
        return ()

    def flag(self, name: str) -> bool:
        """Take true or false, by default false."""
        value = self._rest.pop(name, False)
        if not isinstance(value, bool):
            self.wrong(name, "must be true or false")
        return value is True

    def number(
        self, name: str, *, whole: bool = False, required: bool = True, within: tuple[float, float] = (-1e30, 1e30)
    ) -> float | None:
        """Take a number in the range `within`; None if it is missing or wrong."""
        value = self._rest.pop(name, None)
        if value is None:
            if required:
                self.wrong(name, "is missing")
        elif not (is_number(value) and within[0] <= value <= within[1]):
            lowest, highest = (f"{limit:g}".replace("+", "") for limit in within)
            self.wrong(name, f"must be a number from {lowest} to {highest}")
        elif whole and value != int(value):
            self.wrong(name, "must be a whole number, like the feature's values")
        elif whole and abs(value) > _LARGEST_WHOLE:
            self.wrong(name, f"must be at most ±{_LARGEST_WHOLE}: larger whole numbers are not exact")
        else:
            return int(value) if whole else value
        return None

    def choice(self, name: str, allowed: Sequence[str], *, required: bool = False) -> str | None:
        """Take one of the allowed texts; None if it is missing or wrong."""
        value = self._rest.pop(name, None)
        if value is None:
            if required:
                self.wrong(name, f"is missing; it must be one of {', '.join(allowed)}")
        elif value not in allowed:
            self.wrong(name, f"must be one of {', '.join(allowed)}")
        else:
            return str(value)
        return None

    def take(self, name: str) -> Any:
        """Take a value of any type; None if it is missing."""
        return self._rest.pop(name, None)

    def end(self) -> None:
        """Report every key that was not taken."""
        for name in self._rest:
            self.wrong(name, "is not known")


def is_number(value: Any) -> bool:
    """Return whether the value is a finite number of a supported size."""
    # NaN fails the comparison.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER
