"""The feature declarations, from which everything else derives."""

import csv

from loan_api.credit.features import CATEGORIES, FEATURE_NAMES, FEATURES, NUMBERS, feature_schema_digest
from loan_api.settings import SAMPLE_DATASET
from training.data.dataset import COLUMNS


def test_the_declared_features_are_the_columns_of_the_dataset_in_its_order() -> None:
    with SAMPLE_DATASET.open(encoding="utf-8") as file:
        header = [name.strip() for name in next(csv.reader(file))]
    assert tuple(header) == COLUMNS
    assert tuple(header[1:-1]) == FEATURE_NAMES
    assert len(FEATURES) == 11


def test_every_example_is_valid() -> None:
    assert NUMBERS
    assert CATEGORIES
    assert all(number.minimum <= number.example <= number.maximum for number in NUMBERS)
    assert all(category.example in category.values for category in CATEGORIES)


def test_folds_map_to_values_from_the_training_data() -> None:
    assert CATEGORIES
    for category in CATEGORIES:
        assert set(category.folds.values()) <= set(category.trained_values)


def test_the_digest_covers_the_meaning_of_the_features() -> None:
    """Pin the digest, as a change makes the next model a major version and must be intended."""
    assert feature_schema_digest() == "779d6e22ac4d63d8c1bd4a333220fd3cf4b4aa9c691a4a446edebcb3b757119e"
