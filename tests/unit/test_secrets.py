"""Passwords are generated once, at random, and readable only by their owner."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loan_api.secrets import read_or_make_password
from loan_api.settings import SettingsError


def test_a_password_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "password"
    password = read_or_make_password(path)
    assert len(password) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_make_password(path) == password
    assert [file.name for file in path.parent.iterdir()] == ["password"]


def test_the_line_end_is_not_part_of_the_password(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("given\n", encoding="utf-8")
    assert read_or_make_password(path) == "given"


def test_processes_that_start_together_get_the_same_password(tmp_path: Path) -> None:
    path = tmp_path / "password"
    with ThreadPoolExecutor(8) as pool:
        passwords = set(pool.map(read_or_make_password, [path] * 32))
    assert len(passwords) == 1


@pytest.mark.parametrize(("content", "problem"), [(b"\n", "empty"), (b"\xff", "not UTF-8 text")])
def test_a_file_without_a_password_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=problem):
        read_or_make_password(path)
