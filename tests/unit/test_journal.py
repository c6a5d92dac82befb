"""The journal keeps what was acknowledged, in order, whatever happens to who writes it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.recording.journal import Journal, JournalFullError, JournalInUseError

CAPACITY = 4096


def entries_of(journal: Journal) -> list[bytes]:
    return [entry for entry, _ in journal.read(0)]


def test_it_gives_back_what_it_took_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "0.journal", CAPACITY)
    assert journal.is_empty
    journal.append([b"one", b"two"])
    journal.append([b"three"])
    assert entries_of(journal) == [b"one", b"two", b"three"]
    journal.clear()
    assert (journal.is_empty, entries_of(journal)) == (True, [])
    journal.append([b"four"])
    assert entries_of(journal) == [b"four"]


def test_it_is_found_again_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "0.journal"
    first = Journal(path, CAPACITY)
    first.append([b"one", b"two"])
    first.close()
    second = Journal(path, CAPACITY)
    second.append([b"three"])
    assert entries_of(second) == [b"one", b"two", b"three"]


@given(cut=st.integers(0, 60), noise=st.binary(max_size=40))
def test_what_a_kill_cut_short_is_not_read_back(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("journal") / "0.journal"
    journal = Journal(path, CAPACITY)
    kept = [b"x" * 20, b"y" * 20, b"z" * 20]
    journal.append(kept)
    whole = journal.end
    journal.close()
    with path.open("r+b") as file:
        file.truncate(whole - cut)
        file.seek(whole - cut)
        file.write(noise)
    found = entries_of(Journal(path, CAPACITY))
    assert found == kept[: len(found)]
    assert len(found) >= 3 - (cut + 27) // 28


def test_it_takes_no_more_than_it_may(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "0.journal", CAPACITY)
    journal.append([b"x" * 2000])
    with pytest.raises(JournalFullError, match="is full"):
        journal.append([b"y" * 2000, b"z" * 2000])
    assert entries_of(journal) == [b"x" * 2000]
    assert (tmp_path / "0.journal").stat().st_size <= CAPACITY


def test_its_space_is_claimed_before_it_is_needed(tmp_path: Path) -> None:
    Journal(tmp_path / "0.journal", 2**20)
    assert (tmp_path / "0.journal").stat().st_blocks * 512 >= 2**20


def test_two_processes_cannot_have_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "0.journal", CAPACITY)
    with pytest.raises(JournalInUseError):
        Journal(tmp_path / "0.journal", CAPACITY)
    journal.close()


def test_an_empty_one_is_removed_when_it_is_given_back(tmp_path: Path) -> None:
    Journal(tmp_path / "0.journal", CAPACITY).close()
    assert list(tmp_path.iterdir()) == []
