"""Worker slots: unique among the living, reused after a death."""

from pathlib import Path

from loan_api.metrics.slots import forget_live_values, lowest_free_slot, reset_folder


def test_the_lowest_free_slot_is_given() -> None:
    assert lowest_free_slot([]) == 0
    assert lowest_free_slot([0, 1]) == 2
    assert lowest_free_slot([2, 0]) == 1


def test_a_dead_worker_s_live_gauges_go_and_its_counters_stay(tmp_path: Path) -> None:
    names = ("counter_1.db", "histogram_1.db", "gauge_livesum_1.db", "gauge_livemax_1.db", "gauge_livesum_0.db")
    for name in names:
        (tmp_path / name).touch()
    forget_live_values(tmp_path, 1)
    assert {file.name for file in tmp_path.iterdir()} == {"counter_1.db", "histogram_1.db", "gauge_livesum_0.db"}


def test_a_new_server_starts_with_an_empty_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "metrics"
    reset_folder(folder)
    (folder / "counter_0.db").touch()
    reset_folder(folder)
    assert list(folder.iterdir()) == []
