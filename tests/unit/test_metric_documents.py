"""The metrics document is current, and every metric follows the conventions."""

import dataclasses

import pytest
from prometheus_client import CollectorRegistry

from loan_api.adapters.metrics.instruments import METRICS, Instruments, MetricDeclaration
from loan_api.settings import PROJECT_ROOT


def test_the_document_of_metrics_is_current() -> None:
    """Check that `docs/metrics.md` lists every metric with its labels and meaning, in declared order."""
    rows = [
        f"| `{m.name}` | {m.kind} | {', '.join(f'`{label}`' for label in m.labels)} | {m.description} |"
        for m in METRICS
    ]
    assert "\n".join(rows) in (PROJECT_ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_every_declared_metric_is_made() -> None:
    registry = CollectorRegistry()
    Instruments(registry)
    made = {family.name for family in registry.collect()}
    assert made == {metric.name.removesuffix("_total") for metric in METRICS if metric.source == "client"}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_keeps_the_conventions(metric: MetricDeclaration) -> None:
    assert metric.name.startswith("loan_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert bool(metric.across_workers) == (metric.kind == "gauge" and metric.source == "client")
    assert list(metric.buckets) == sorted(metric.buckets)
    assert metric.description.endswith(".")


def test_a_declaration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        METRICS[0].name = "other"  # type: ignore[misc]
