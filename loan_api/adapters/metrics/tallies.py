"""Counts of all feature values for each model version, in memory-mapped files that are shared like prometheus_client's.

A single decision increments a dozen counters, a batch a hundred. Adding to numbers in a mapped file takes a few
microseconds. As with the other metrics, the files belong to a slot, and the next worker in the slot continues them.
"""

import json
import logging
import mmap
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from loan_api.adapters.metrics import instruments
from loan_api.adapters.metrics.instruments import MetricDeclaration
from loan_api.credit.reference import ReferenceDistribution
from loan_api.scoring.columns import Application
from loan_api.scoring.watched import CountLayout, NamedCounts, WatchedDistribution

_log = logging.getLogger(__name__)

_PATTERN = "tally_*.bin"
_NUMBER_BYTES = 8
_NAMES = ("rejected", "approved")


class Tally:
    """The counts of one model version in one worker."""

    def __init__(self, model_version: str, watched: WatchedDistribution, numbers: Any) -> None:
        self.model_version = model_version
        self.watched = watched
        self.numbers = numbers

    def add(self, application: Application, prediction: int, probability: float) -> None:
        """Count one decision."""
        numbers = self.numbers
        for place in self.watched.places(application, probability):
            numbers[place] += 1
        place, rejected, approved = self.watched.expected(prediction, probability)
        numbers[place] += rejected
        numbers[place + 1] += approved

    def add_all(self, counts: Sequence[float]) -> None:
        """Add the counts of many decisions."""
        numbers = self.numbers
        for place, count in enumerate(counts):
            if count:
                numbers[place] += count


class KeptTally(NamedTuple):
    """The counts of one model version in one worker, as read for a scrape."""

    model_version: str
    layout: CountLayout
    numbers: Any


class TallyBook:
    """The tallies of one worker, in memory if there is no shared `folder`."""

    def __init__(self, folder: Path | None, slot: int) -> None:
        self._folder = folder
        self._slot = slot
        self._tallies: dict[str, Tally] = {}

    def of(self, key: str, model_version: str, watched: WatchedDistribution) -> Tally:
        """Return the tally of the version with this key, and create its counters at 0."""
        if key not in self._tallies:
            size = watched.size
            numbers: Any = [0.0] * size
            if self._folder is not None:
                file = self._folder / f"tally_{key}_{self._slot}.bin"
                try:
                    numbers = _open(file, _head(model_version, watched.reference), size)
                except OSError as error:
                    _log.error("features are not counted", extra={"error": type(error).__name__})
            self._tallies[key] = Tally(model_version, watched, numbers)
        return self._tallies[key]

    def kept(self) -> Iterator[KeptTally]:
        """Yield the tallies of all workers."""
        if self._folder is None:
            for tally in self._tallies.values():
                yield KeptTally(tally.model_version, tally.watched, tally.numbers)
            return
        # Workers share a few versions: parse the head of each version only once.
        heads: dict[bytes, tuple[str, CountLayout]] = {}
        for file in sorted(self._folder.glob(_PATTERN)):
            content = file.read_bytes()
            head, numbers = _parts(content)
            if head is None:
                # The file is being created.
                continue
            if head not in heads:
                described = json.loads(head)
                distribution = ReferenceDistribution.from_json(described["reference"])
                heads[head] = described["model_version"], CountLayout(distribution)
            yield KeptTally(*heads[head], numbers)


class TallyCollector(Collector):
    """All tallies as metrics, with the reference distributions to compare them with."""

    def __init__(self, book: TallyBook) -> None:
        self._book = book

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics that are declared with the source `tallies`."""
        tallies = list(self._book.kept())
        features, score, expected = (
            _Sums(metric)
            for metric in (instruments.FEATURE_VALUES, instruments.SCORE_VALUES, instruments.EXPECTED_OUTCOMES)
        )
        for tally in tallies:
            _add_up(tally.layout.named(tally.numbers), tally.model_version, features, score, expected)
        yield from (features.metric(), score.metric(), expected.metric())
        yield from _reference({tally.model_version: tally.layout.reference for tally in tallies})


def bin_label(position: int, name: str) -> str:
    """Return the label of a bin: its position comes first, so that labels sort and queries can select ranges."""
    return f"{position:02d} {name}"


def bin_labels(names: Iterable[str]) -> dict[str, str]:
    """Return the labels of the bins by their names."""
    return {name: bin_label(position, name) for position, name in enumerate(names)}


@dataclass
class _Sums:
    """The values of a counter, summed over all workers."""

    declared: MetricDeclaration

    def __post_init__(self) -> None:
        self._values: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def add(self, labels: tuple[str, ...], value: float) -> None:
        self._values[labels] += value

    def metric(self) -> Metric:
        family = CounterMetricFamily(self.declared.name, self.declared.description, labels=self.declared.labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family


def _add_up(counts: NamedCounts, version: str, features: _Sums, score: _Sums, expected: _Sums) -> None:
    for feature, bins in counts.features.items():
        labels = bin_labels(bins)
        for name, count in bins.items():
            features.add((feature, labels[name], version), count)
    labels = bin_labels(counts.score)
    for name, count in counts.score.items():
        score.add((labels[name], version), count)
    for (predicted, actual), count in counts.expected.items():
        expected.add((_NAMES[predicted], _NAMES[actual], version), count)


def _reference(references: dict[str, ReferenceDistribution]) -> Iterable[Metric]:
    features, score, applications, approval = (
        GaugeMetricFamily(metric.name, metric.description, labels=metric.labels)
        for metric in (
            instruments.FEATURE_REFERENCE,
            instruments.SCORE_REFERENCE,
            instruments.REFERENCE_APPLICATIONS,
            instruments.REFERENCE_APPROVAL,
        )
    )
    for version, reference in references.items():
        for feature, histogram in reference.features.items():
            labels = bin_labels(histogram.shares)
            for name, share in histogram.shares.items():
                features.add_metric((feature, labels[name], version), share)
        labels = bin_labels(reference.score.shares)
        for name, share in reference.score.shares.items():
            score.add_metric((labels[name], version), share)
        applications.add_metric((version,), reference.applications)
        if reference.approval_ratio is not None:
            approval.add_metric((version,), reference.approval_ratio)
    return features, score, applications, approval


def _head(model_version: str, reference: ReferenceDistribution) -> bytes:
    head = json.dumps({"model_version": model_version, "reference": reference.to_json()}).encode()
    # Aligned numbers are written atomically, so readers never see half of one.
    return head + b" " * (-len(head) % _NUMBER_BYTES)


def _open(file: Path, head: bytes, size: int) -> "memoryview[float]":
    """Map the numbers of the file, which is created if it is missing or has another head."""
    start = _NUMBER_BYTES + len(head)
    if not file.exists() or _parts(file.read_bytes())[0] != head:
        temporary = file.with_suffix(".new")
        temporary.write_bytes(len(head).to_bytes(_NUMBER_BYTES, "little") + head + bytes(size * _NUMBER_BYTES))
        temporary.replace(file)
    descriptor = os.open(file, os.O_RDWR)
    try:
        mapped = mmap.mmap(descriptor, 0)
    finally:
        os.close(descriptor)
    return memoryview(mapped)[start:].cast("d")


def _parts(content: bytes) -> tuple[bytes | None, "memoryview[float]"]:
    length = int.from_bytes(content[:_NUMBER_BYTES], "little")
    head, numbers = content[_NUMBER_BYTES : _NUMBER_BYTES + length], memoryview(content)[_NUMBER_BYTES + length :]
    return head or None, numbers.cast("d")
