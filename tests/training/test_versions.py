"""Semantic versions follow the written rule."""

import dataclasses

import pytest

from tests.fakes import model_version
from training.registration import next_semantic_version

FACTS = model_version().facts
TAGS = {
    "feature_schema_digest": FACTS.feature_schema_digest,
    "dataset_digest": FACTS.dataset_digest,
    "algorithm": FACTS.algorithm,
}


def test_the_first_is_1_0_0() -> None:
    assert next_semantic_version(None, FACTS) == "1.0.0"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "1.2.4"),
        ({"dataset_digest": "other"}, "1.3.0"),
        ({"algorithm": "svc"}, "1.3.0"),
        ({"feature_schema_digest": "other"}, "2.0.0"),
        ({"feature_schema_digest": "other", "dataset_digest": "other"}, "2.0.0"),
    ],
)
def test_what_changed_decides_the_next(change: dict[str, str], expected: str) -> None:
    assert next_semantic_version(("1.2.3", TAGS), dataclasses.replace(FACTS, **change)) == expected  # type: ignore[arg-type]
