"""Benchmark requests: random valid applications, generated from the declared features, never from a dataset."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from loan_api.credit.features import FEATURE_NAMES, FEATURES, CategoryFeature, Feature

JSON = "application/json"
_SEED = 20240313
_LAKH = 100_000

Application = dict[str, Any]


def applications(count: int, seed: int = _SEED) -> list[Application]:
    """Return `count` valid applications with values in the range of the features' bins, reproducible by seed."""
    random = Random(seed)  # noqa: S311  # nothing secret
    return [{feature.name: _value(feature, random) for feature in FEATURES} for _ in range(count)]


def service_single(application: Application) -> bytes:
    """Return the body of a single request to the service or the bare view."""
    return json.dumps(application).encode()


def service_batch(rows: Sequence[Application]) -> bytes:
    """Return the body of a batch request to the service."""
    return json.dumps({"instances": rows}).encode()


def mlflow_body(rows: Sequence[Application]) -> bytes:
    """Return the same batch for `mlflow models serve` as `dataframe_split`, its fastest JSON format."""
    cells = [[row[name] for name in FEATURE_NAMES] for row in rows]
    return json.dumps({"dataframe_split": {"columns": FEATURE_NAMES, "data": cells}}).encode()


def post(path: str, body: bytes) -> bytes:
    """Return the complete request as sent over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _value(feature: Feature, random: Random) -> int | str:
    if isinstance(feature, CategoryFeature):
        return random.choice(feature.values)
    lowest, highest = max(feature.minimum, feature.bins[0]), min(feature.maximum, feature.bins[-1])
    if feature.unit == "rupees":
        return max(random.randint(lowest // _LAKH, highest // _LAKH) * _LAKH, feature.minimum)
    return random.randint(lowest, highest)
