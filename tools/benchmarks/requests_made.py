"""Benchmark requests: random valid applications, generated from the form, never from a dataset."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from loan_api.credit.features import CategoryFeature, Feature
from loan_api.credit.form import Form

JSON = "application/json"
_SEED = 20240313

Application = dict[str, Any]


def applications(form: Form, count: int, seed: int = _SEED) -> list[Application]:
    """Return `count` valid applications with values in the range of the features' bins, reproducible by seed."""
    random = Random(seed)  # noqa: S311  # nothing secret
    return [{feature.name: _value(feature, random) for feature in form.features} for _ in range(count)]


def service_single(application: Application) -> bytes:
    """Return the body of a single request to the service or the bare view."""
    return json.dumps(application).encode()


def service_batch(rows: Sequence[Application]) -> bytes:
    """Return the body of a batch request to the service."""
    return json.dumps({"instances": rows}).encode()


def mlflow_body(rows: Sequence[Application]) -> bytes:
    """Return the same batch for `mlflow models serve` as `dataframe_split`, its fastest JSON format."""
    cells = [list(row.values()) for row in rows]
    return json.dumps({"dataframe_split": {"columns": list(rows[0]), "data": cells}}).encode()


def post(path: str, body: bytes) -> bytes:
    """Return the complete request as sent over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _value(feature: Feature, random: Random) -> float | str:
    if isinstance(feature, CategoryFeature):
        return random.choice(feature.values)
    lowest, highest = feature.minimum, feature.maximum
    if feature.bins is not None:
        lowest, highest = max(lowest, feature.bins[0]), min(highest, feature.bins[-1])
    if feature.whole:
        return random.randint(int(lowest), int(highest))
    # Two digits, as people write amounts.
    value = float(f"{random.uniform(lowest, highest):.2g}")
    value = min(max(value, feature.minimum), feature.maximum)
    return int(value) if value == int(value) else value
