"""The file of API keys: its format, malformed files, and concurrent changes."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.adapters.files.text_file import UnusableFileError
from loan_api.adapters.keys.file import add_key, format_keys, parse_keys, read_keys, remove_key
from loan_api.services.access import SCOPES, ApiKey
from tests.support.fakes import NOW, api_key

ENTRY = {"name": "shop", "scopes": ["score"], "sha256": "0" * 64, "created_at": "2024-03-13T10:30:00Z"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "keys.json"


def text_of(*entries: dict[str, Any]) -> str:
    return json.dumps({"keys": entries})


def test_a_key_is_long_random_and_recognisable_and_only_its_hash_is_kept(path: Path) -> None:
    key = add_key(path, "shop", ["audit", "score", "score"], NOW)
    assert key.startswith("loan_")
    assert len(key) == len("loan_") + 43
    text = path.read_text(encoding="utf-8")
    assert key not in text
    assert json.loads(text) == {
        "keys": [
            {
                "name": "shop",
                "scopes": ["score", "audit"],
                "sha256": sha256(key.encode()).hexdigest(),
                "created_at": "2024-03-13T10:30:00Z",
            }
        ]
    }
    assert add_key(path, "other", ["score"], NOW) != key


def test_a_new_file_is_private_and_leaves_no_temporary_file_behind(path: Path) -> None:
    add_key(path, "shop", ["score"], NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]


def test_a_change_keeps_the_file_s_mode(path: Path) -> None:
    add_key(path, "shop", ["score"], NOW)
    path.chmod(0o640)
    add_key(path, "other", ["score"], NOW)
    remove_key(path, "shop")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    add_key(path, "shop", ["score"], NOW)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    add_key(link, "other", ["score"], NOW)
    assert link.is_symlink()
    assert [key.name for key in read_keys(path)] == ["shop", "other"]


def test_a_removed_key_is_gone_and_the_others_stay(path: Path) -> None:
    for name in ("one", "two", "three"):
        add_key(path, name, ["score"], NOW)
    remove_key(path, "two")
    assert [key.name for key in read_keys(path)] == ["one", "three"]
    with pytest.raises(UnusableFileError, match="no key with this name"):
        remove_key(path, "two")


def test_a_name_is_unique(path: Path) -> None:
    add_key(path, "shop", ["score"], NOW)
    before = path.read_bytes()
    with pytest.raises(UnusableFileError, match="already"):
        add_key(path, "shop", ["audit"], NOW)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a\nb", "a\n", "ü", "x" * 65, "../x"])
def test_odd_names_are_refused_before_anything_is_written(path: Path, name: str) -> None:
    with pytest.raises(UnusableFileError, match="a name consists"):
        add_key(path, name, ["score"], NOW)
    assert not path.parent.exists()


def test_concurrent_changes_lose_nothing(path: Path) -> None:
    names = [f"key-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda name: add_key(path, name, ["score"], NOW), names))
        assert sorted(key.name for key in read_keys(path)) == sorted(names)
        list(pool.map(lambda name: remove_key(path, name), names[::2]))
    assert sorted(key.name for key in read_keys(path)) == sorted(names[1::2])
    assert len(set(keys)) == len(keys)


def test_a_reader_never_finds_half_a_file(path: Path) -> None:
    add_key(path, "first", ["score"], NOW)
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(lambda: [add_key(path, f"key-{number}", ["score"], NOW) for number in range(60)])
        counts = [len(read_keys(path))]
        while not writing.done():
            counts.append(len(read_keys(path)))
        writing.result()
    assert counts == sorted(counts)
    assert len(read_keys(path)) == 61


def test_a_malformed_file_is_not_written_over(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UnusableFileError, match="not JSON"):
        add_key(path, "shop", ["score"], NOW)
    assert path.read_text(encoding="utf-8") == "mine"


def test_there_must_be_a_file_to_remove_from(path: Path) -> None:
    with pytest.raises(UnusableFileError, match="does not exist"):
        remove_key(path, "shop")
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", 'a list of "keys"'),
        ("{}", 'a list of "keys"'),
        ('{"keys": {}}', 'a list of "keys"'),
        ('{"keys": [], "more": 1}', 'a list of "keys"'),
        ('{"keys": [], "keys": []}', "contains a member twice"),
        (text_of(ENTRY).replace('"name"', '"scopes": ["admin"], "name"'), "contains a member twice"),
        ('{"keys": [1]}', "/keys/0 is not an object"),
        (text_of({**ENTRY, "expires_at": "2025-01-01T00:00:00Z"}), "with exactly name, scopes"),
        (text_of({name: value for name, value in ENTRY.items() if name != "scopes"}), "with exactly name, scopes"),
        (text_of({**ENTRY, "name": "a b"}), "/keys/0/name"),
        (text_of({**ENTRY, "name": 5}), "/keys/0/name"),
        (text_of({**ENTRY, "scopes": []}), "/keys/0/scopes"),
        (text_of({**ENTRY, "scopes": "score"}), "/keys/0/scopes"),
        (text_of(ENTRY, {**ENTRY, "name": "x", "scopes": ["root"]}), "/keys/1/scopes"),
        (text_of({**ENTRY, "scopes": [{}]}), "/keys/0/scopes"),
        (text_of({**ENTRY, "sha256": "0" * 63}), "/keys/0/sha256"),
        (text_of({**ENTRY, "sha256": "A" * 64}), "/keys/0/sha256"),
        (text_of({**ENTRY, "sha256": "loan_" + "x" * 43}), "/keys/0/sha256"),
        (text_of({**ENTRY, "created_at": "yesterday"}), "/keys/0/created_at"),
        (text_of({**ENTRY, "created_at": "2024-03-13T10:30:00"}), "/keys/0/created_at"),
        (text_of({**ENTRY, "created_at": "0001-01-01T00:00:00+23:59"}), "/keys/0/created_at"),
        (text_of({**ENTRY, "created_at": 5}), "/keys/0/created_at"),
        (text_of(ENTRY, {**ENTRY, "sha256": "1" * 64}), "same name"),
        (text_of(ENTRY, {**ENTRY, "name": "other"}), "same key"),
    ],
)
def test_a_malformed_file_is_refused_with_the_position_of_the_error(text: str, problem: str) -> None:
    with pytest.raises(UnusableFileError, match=problem) as caught:
        parse_keys(text)
    assert "xxx" not in str(caught.value)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    for name, make, problem in (
        ("missing", lambda path: None, "does not exist"),
        ("folder", Path.mkdir, "not a regular file"),
        ("pipe", os.mkfifo, "not a regular file"),
        ("bytes", lambda path: path.write_bytes(b"\xff"), "not UTF-8"),
        ("large", lambda path: path.write_bytes(b" " * 2_000_000), "larger than"),
        ("loop", lambda path: path.symlink_to(path), "symbolic links"),
    ):
        make(tmp_path / name)
        with pytest.raises(UnusableFileError, match=problem):
            read_keys(tmp_path / name)


def test_an_empty_list_is_valid() -> None:
    assert parse_keys('{"keys": []}') == ()


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
KEYS = st.lists(
    st.builds(
        ApiKey,
        name=NAMES,
        scopes=st.lists(st.sampled_from(SCOPES), min_size=1, unique=True).map(tuple),
        digest=st.binary(min_size=32, max_size=32),
        created_at=st.just(NOW) | st.just(datetime.fromisoformat("1999-12-31T23:59:59+00:00")),
    ),
    unique_by=(lambda key: key.name, lambda key: key.digest),
    max_size=5,
)


@given(KEYS)
def test_keys_survive_a_round_trip(keys: list[ApiKey]) -> None:
    assert parse_keys(format_keys(keys)) == tuple(keys)


@given(st.data())
def test_a_damaged_file_gives_keys_or_a_problem_and_nothing_else(data: st.DataObject) -> None:
    text = format_keys([api_key("shop", "score"), api_key("boss", "admin")])
    position = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:position] + data.draw(st.text(max_size=3)) + text[position + data.draw(st.integers(0, 40)) :]
    with suppress(UnusableFileError):
        assert all(key.scopes and len(key.digest) == 32 for key in parse_keys(damaged))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["keys", *ENTRY]), inner),
    )
)
def test_any_json_gives_keys_or_a_problem(document: object) -> None:
    with suppress(UnusableFileError):
        assert parse_keys(json.dumps(document)) == ()
