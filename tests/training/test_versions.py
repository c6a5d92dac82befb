"""Semantic versions follow the documented rule."""

import dataclasses

import pytest

from training.registry.versions import ModelIdentity, next_semantic_version

IDENTITY = ModelIdentity(
    feature_schema="features",
    dataset="data",
    algorithm="decision_tree",
    threshold="0.5",
    behaviour="behaviour",
    code="code",
    libraries="scikit-learn==1.9.1",
)


def test_the_first_is_1_0_0() -> None:
    assert next_semantic_version({}, IDENTITY) == ("1.0.0", "the first version")


@pytest.mark.parametrize(
    ("changes", "expected", "why"),
    [
        ({"behaviour": "other"}, "1.2.4", "patch: compared with 1.2.3, changed: behaviour"),
        ({"threshold": "0.6"}, "1.2.4", "patch: compared with 1.2.3, changed: threshold"),
        ({"libraries": "scikit-learn==1.9.2"}, "1.2.4", "patch: compared with 1.2.3, changed: libraries"),
        ({"dataset": "other", "behaviour": "o"}, "1.3.0", "minor: compared with 1.2.3, changed: dataset, behaviour"),
        ({"algorithm": "svc"}, "1.3.0", "minor: compared with 1.2.3, changed: algorithm"),
        ({"feature_schema": "other"}, "2.0.0", "major: compared with 1.2.3, changed: feature schema"),
        (
            {"feature_schema": "o", "dataset": "o"},
            "2.0.0",
            "major: compared with 1.2.3, changed: feature schema, dataset",
        ),
    ],
)
def test_what_changed_decides_the_next(changes: dict[str, str], expected: str, why: str) -> None:
    previous = {"1.2.3": IDENTITY}
    assert next_semantic_version(previous, dataclasses.replace(IDENTITY, **changes)) == (expected, why)


def test_it_counts_on_from_the_highest_not_from_the_last_as_text() -> None:
    other = dataclasses.replace(IDENTITY, algorithm="svc")
    previous = {"1.9.0": other, "1.10.0": IDENTITY, "1.2.0": other}
    assert next_semantic_version(previous, dataclasses.replace(IDENTITY, behaviour="o"))[0] == "1.10.1"
