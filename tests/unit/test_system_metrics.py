"""System metrics of workers and of the container."""

import os
from pathlib import Path

import pytest
from prometheus_client.registry import Collector

from loan_api.adapters.metrics.slots import holders, leave_slot, note_seconds, take_slot
from loan_api.adapters.metrics.system import ContainerCollector, WorkersCollector


def samples(collector: Collector) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in collector.collect()
        for sample in family.samples
    }


def test_a_living_worker_is_measured(tmp_path: Path) -> None:
    take_slot(tmp_path, 0, os.getpid())
    seen = samples(WorkersCollector(tmp_path))
    assert seen["loan_workers",] == 1
    assert 0 < seen["loan_worker_cpu_seconds_total", "0"] < 10_000
    assert seen["loan_worker_resident_memory_bytes", "0"] > 2**20
    assert 2 < seen["loan_worker_open_files", "0"] < seen["loan_worker_max_open_files", "0"]


def test_processor_time_goes_on_with_the_next_worker(tmp_path: Path) -> None:
    take_slot(tmp_path, 3, 111)
    (holder,) = holders(tmp_path)
    note_seconds(tmp_path, holder, 5.0)
    leave_slot(tmp_path, 3)
    gone = samples(WorkersCollector(tmp_path))
    assert gone["loan_workers",] == 0
    assert gone["loan_worker_cpu_seconds_total", "3"] == 5.0
    assert ("loan_worker_resident_memory_bytes", "3") not in gone
    take_slot(tmp_path, 3, os.getpid())
    assert samples(WorkersCollector(tmp_path))["loan_worker_cpu_seconds_total", "3"] > 5.0


def test_what_was_seen_of_a_predecessor_does_not_count_for_its_successor(tmp_path: Path) -> None:
    take_slot(tmp_path, 0, 111)
    (before,) = holders(tmp_path)
    take_slot(tmp_path, 0, 222)
    note_seconds(tmp_path, before, 5.0)
    (after,) = holders(tmp_path)
    assert (after.pid, after.seconds_before, after.seconds_seen) == (222, 0.0, 0.0)


def test_a_limited_container_is_measured(tmp_path: Path) -> None:
    contents = {
        "memory.current": "3000000\n",
        "memory.stat": "anon 100\ninactive_file 1000000\n",
        "memory.max": "4000000\n",
        "cpu.max": "150000 100000\n",
        "cpu.stat": "usage_usec 9\nthrottled_usec 2500000\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    assert samples(ContainerCollector(tmp_path)) == {
        ("loan_container_memory_bytes",): 2_000_000,
        ("loan_container_memory_limit_bytes",): 4_000_000,
        ("loan_container_cpu_limit_cores",): pytest.approx(1.5),
        ("loan_container_cpu_throttled_seconds_total",): pytest.approx(2.5),
    }


def test_what_is_not_limited_or_not_there_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert samples(ContainerCollector(tmp_path)) == {}
