"""Worker slots are unique among running workers and reused after one ends."""

from contextlib import closing
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

from loan_api.adapters.metrics.slots import (
    forget_live_values,
    holders,
    leave_slot,
    lowest_free_slot,
    reset_folder,
    take_slot,
)


def test_the_lowest_free_slot_is_given() -> None:
    assert lowest_free_slot([]) == 0
    assert lowest_free_slot([0, 1]) == 2
    assert lowest_free_slot([2, 0]) == 1


def test_a_dead_worker_s_live_gauges_go_and_its_counters_stay(tmp_path: Path) -> None:
    names = ("counter_1.db", "histogram_1.db", "gauge_livesum_1.db", "gauge_livemax_1.db", "gauge_livesum_0.db")
    for name in names:
        write_value(tmp_path / name, "a series", 3.0)
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    forget_live_values(tmp_path, 1)
    assert {name for name in names if values_in(tmp_path / name)} == {
        "counter_1.db",
        "histogram_1.db",
        "gauge_livesum_0.db",
    }
    assert sizes == {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    write_value(tmp_path / "gauge_livesum_1.db", "another series", 5.0)
    assert values_in(tmp_path / "gauge_livesum_1.db") == {"another series": 5.0}


def write_value(file: Path, key: str, value: float) -> None:
    with closing(MmapedDict(str(file))) as values:  # type: ignore[no-untyped-call]
        values.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]


def values_in(file: Path) -> dict[str, float]:
    found = MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
    return {key: value for key, value, *_ in found}


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    """Let the next worker create it and start from there."""
    folder = tmp_path / "metrics"
    take_slot(folder, 0, 7)
    leave_slot(tmp_path / "gone", 0)
    assert [(holder.slot, holder.pid) for holder in holders(folder)] == [(0, 7)]


def test_a_new_server_starts_with_an_empty_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "metrics"
    reset_folder(folder)
    (folder / "counter_0.db").touch()
    reset_folder(folder)
    assert list(folder.iterdir()) == []
