"""The journal keeps acknowledged records in order, whatever happens to the writing process."""

from itertools import accumulate
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_api.adapters.recording.journal import (
    Journal,
    JournalFullError,
    JournalInUseError,
    abandoned_journals,
    free_journal,
    waiting_journals,
)
from loan_api.adapters.recording.protocol import BEGINNING, Records, decode_records, encode
from loan_api.services.decision_log import BatchRecord, Decider, DecisionRecord, PolicyActivation
from tests.support.fakes import NOW

CAPACITY = 4096
DECIDER = Decider("loan_approval_model", "1", "1.0.0", 0.5)


def records(number: int, singles: int = 1, whole: int = 0, size: int = 50) -> bytes:
    """Return encoded records whose ids contain `number`; the batches hold zeros."""
    return encode(
        Records(
            [DecisionRecord(f"d-{number}-{n}", "r", NOW, DECIDER, b"{}", 0.5, 0) for n in range(singles)],
            [BatchRecord(f"b-{number}-{n}", "r", NOW, DECIDER, 3, 1, bytes(size)) for n in range(whole)],
        )
    )


def earlier_records(number: int, singles: int = 1, whole: int = 0) -> bytes:
    """Return the records as the version before there were policies encoded them."""
    decisions, batches, _ = msgspec.msgpack.decode(records(number, singles, whole))
    return msgspec.msgpack.encode([[each[:7] for each in decisions], [each[:7] for each in batches]])


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


@settings(deadline=None)
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


@pytest.mark.parametrize(("singles", "whole"), [(1, 0), (0, 1), (15, 1), (16, 16), (0, 70_000)])
def test_entries_are_known_by_how_they_begin(singles: int, whole: int) -> None:
    assert BEGINNING.match(records(1, singles, whole))
    assert BEGINNING.match(earlier_records(1, singles, whole))


def test_an_activation_is_known_by_how_it_begins() -> None:
    assert BEGINNING.match(encode(Records([], [], [PolicyActivation("p-1", NOW, "a" * 64, "1", "text")])))


def test_records_of_the_version_before_policies_are_read() -> None:
    decoded = decode_records(earlier_records(1, 2, 1))
    assert [each.decision_id for each in decoded.decisions] == ["d-1-0", "d-1-1"]
    assert {(each.decision, each.rule, each.policy) for each in decoded.decisions} == {(None, None, None)}
    assert [(each.batch_id, each.referred, each.declined, each.policy) for each in decoded.batches] == [
        ("b-1-0", None, None, None)
    ]
    assert (decoded.policies, decoded.is_query, decoded.rows) == ([], False, 5)


@settings(deadline=None)
@given(
    damages=st.lists(
        st.tuples(st.integers(0, 9), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=20))
    ),
    kinds=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)).filter(any), min_size=10, max_size=10),
)
def test_whatever_is_damaged_the_other_entries_are_read(
    tmp_path_factory: pytest.TempPathFactory,
    damages: list[tuple[int, float, bytes]],
    kinds: list[tuple[int, int]],
) -> None:
    path = tmp_path_factory.mktemp("journal") / "0.journal"
    journal = Journal(path, 2**16)
    kept = [records(number, *kind) for number, kind in enumerate(kinds)]
    ends = list(accumulate((len(entry) + 8 for entry in kept), initial=0))
    journal.append(kept)
    journal.close()
    whole = path.read_bytes()
    content = bytearray(whole)
    for number, part, noise in damages:
        place = ends[number] + int(part * (ends[number + 1] - ends[number]))
        content[place : place + len(noise)] = noise
    path.write_bytes(content[: len(whole)])
    unharmed = [
        entry for entry, start, end in zip(kept, ends, ends[1:], strict=False) if content[start:end] == whole[start:end]
    ]
    found = Journal(path, 2**16)
    assert entries_of(found) == unharmed
    found.append([b"later"])
    assert entries_of(found) == [*unharmed, b"later"]
    found.close()


def test_a_damaged_journal_is_quarantined_rather_than_cleared(tmp_path: Path) -> None:
    path = tmp_path / "0.journal"
    kept = [records(1), records(2, 0, 1, size=3 * 2**20), records(3)]
    journal = Journal(path, 2**24)
    journal.append(kept)
    journal.close()
    with path.open("r+b") as file:
        file.seek(len(kept[0]) + 8)
        file.write(b"\xff" * 4)
    before = path.read_bytes()
    journal = Journal(path, 2**24)
    assert (entries_of(journal), journal.unreadable_bytes) == ([kept[0], kept[2]], len(kept[1]) + 8)
    quarantined = journal.clear()
    assert quarantined is not None
    assert quarantined.name.startswith("0.journal.damaged-")
    assert quarantined.read_bytes() == before
    assert (journal.is_empty, journal.unreadable_bytes, entries_of(journal)) == (True, 0, [])
    with pytest.raises(JournalInUseError):
        Journal(path, 2**24)
    journal.append([b"next"])
    assert (entries_of(journal), journal.clear()) == ([b"next"], None)


def test_what_was_refused_is_not_found_later(tmp_path: Path) -> None:
    """Use a disk that accepts the entries but fails to sync them."""
    synced = iter([True, False, True])

    def sync(_: int) -> None:
        if not next(synced):
            raise OSError

    journal = Journal(tmp_path / "0.journal", CAPACITY, sync)
    journal.append([records(1)])
    with pytest.raises(JournalFullError, match="the disk is too full"):
        journal.append([records(2), records(3)])
    journal.append([b"x"])
    journal.close()
    found = Journal(tmp_path / "0.journal", CAPACITY)
    assert (entries_of(found), found.unreadable_bytes) == ([records(1), b"x"], 0)


def test_only_journals_without_a_living_service_are_abandoned(tmp_path: Path) -> None:
    used, left, empty = (Journal(tmp_path / f"{number}.journal", CAPACITY) for number in range(3))
    for journal in (used, left):
        journal.append([b"one"])
    left.close()
    [found] = abandoned_journals(tmp_path, CAPACITY)
    assert (found.path, entries_of(found)) == (left.path, [b"one"])
    assert abandoned_journals(tmp_path, CAPACITY) == []
    assert free_journal(tmp_path, CAPACITY).path == tmp_path / "3.journal"
    empty.close()
    assert free_journal(tmp_path, CAPACITY).path == empty.path


def test_a_restored_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "0.journal"
    path.touch(mode=0o644)
    path.chmod(0o644)
    Journal(path, CAPACITY)
    assert path.stat().st_mode & 0o777 == 0o600


def test_those_in_which_something_waits_are_found(tmp_path: Path) -> None:
    assert waiting_journals(tmp_path / "nowhere") == []
    _, waiting, drained = (Journal(tmp_path / f"{number}.journal", CAPACITY) for number in range(3))
    for journal in (waiting, drained):
        journal.append([b"one"])
    drained.clear()
    assert waiting_journals(tmp_path) == [waiting.path]
