"""Metrics of worker processes and of the container, read from /proc and /sys at each scrape (Linux only)."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from loan_api.adapters.metrics import instruments
from loan_api.adapters.metrics.instruments import MetricDeclaration
from loan_api.adapters.metrics.slots import Holder, holders, note_seconds

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Positions in /proc/PID/stat after the process name in brackets.
_USER, _SYSTEM, _RESIDENT = 11, 12, 21
_MICROSECONDS = 1e6


class WorkersCollector(Collector):
    """The web workers whose slots are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of each worker. The CPU time of a slot remains after its worker has ended."""
        living = 0
        cpu, memory, files, most = (
            _family(metric)
            for metric in (
                instruments.WORKER_CPU,
                instruments.WORKER_MEMORY,
                instruments.WORKER_FILES,
                instruments.WORKER_MOST_FILES,
            )
        )
        for holder in holders(self._folder):
            worker = (str(holder.slot),)
            seconds = holder.seconds_seen
            with suppress(OSError):
                if holder.pid is not None:
                    process = Path(f"/proc/{holder.pid}")
                    seconds, resident = self._seen(holder, process)
                    memory.add_metric(worker, resident)
                    files.add_metric(worker, len(os.listdir(process / "fd")))  # noqa: PTH208  # names are enough
                    most.add_metric(worker, _most_files(process))
                    living += 1
            cpu.add_metric(worker, holder.seconds_before + seconds)
        workers = _family(instruments.WORKERS)
        workers.add_metric((), living)
        return workers, cpu, memory, files, most

    def _seen(self, holder: Holder, process: Path) -> tuple[float, int]:
        """Return CPU seconds and resident bytes."""
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        seconds = (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS
        note_seconds(self._folder, holder, seconds)
        return seconds, int(fields[_RESIDENT]) * _PAGE_BYTES


class ContainerCollector(Collector):
    """Metrics of the cgroup v2 in `folder`; missing values and limits are omitted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Yield usage and limits."""
        values: Mapping[MetricDeclaration, float | None] = {
            instruments.CONTAINER_MEMORY: self._memory(),
            instruments.CONTAINER_MEMORY_LIMIT: self._number("memory.max"),
            instruments.CONTAINER_CPU_LIMIT: self._cpu_limit(),
            instruments.CONTAINER_CPU_THROTTLED: self._throttled(),
        }
        for declared, value in values.items():
            if value is not None:
                family = _family(declared)
                family.add_metric((), value)
                yield family

    def _memory(self) -> float | None:
        used, inactive = self._number("memory.current"), self._named("memory.stat").get("inactive_file", 0)
        return None if used is None else used - inactive

    def _cpu_limit(self) -> float | None:
        words = self._read("cpu.max").split()
        return int(words[0]) / int(words[1]) if words and words[0] != "max" else None

    def _throttled(self) -> float | None:
        microseconds = self._named("cpu.stat").get("throttled_usec")
        return None if microseconds is None else microseconds / _MICROSECONDS

    def _number(self, name: str) -> int | None:
        word = self._read(name).strip()
        return int(word) if word.isdigit() else None

    def _named(self, name: str) -> dict[str, int]:
        pairs = (line.split() for line in self._read(name).splitlines())
        return {key: int(value) for key, value in pairs}

    def _read(self, name: str) -> str:
        with suppress(OSError):
            return (self._folder / name).read_text()
        return ""


def own_control_group() -> Path:
    """Return the folder of this process's cgroup v2."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                return Path("/sys/fs/cgroup") / line.removeprefix("0::").lstrip("/")
    return Path("/sys/fs/cgroup")


def _family(declared: MetricDeclaration) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if declared.kind == "counter" else GaugeMetricFamily
    return kind(declared.name, declared.description, labels=declared.labels)


def _most_files(process: Path) -> int:
    line = next(line for line in (process / "limits").read_text().splitlines() if line.startswith("Max open files"))
    return int(line.split()[3])
