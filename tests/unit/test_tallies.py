"""Tallies of all workers add up, and a replacement continues its predecessor's."""

from pathlib import Path

import pytest

from loan_api.adapters.metrics.tallies import TallyBook, TallyCollector
from loan_api.scoring.watched import WatchedDistribution
from tests.support.fakes import reference
from tests.support.forms import SHIPPED

WATCHED = WatchedDistribution(SHIPPED, reference())


def samples(book: TallyBook) -> dict[tuple[str, ...], float]:
    """Return samples by name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in TallyCollector(book).collect()
        for sample in family.samples
    }


def decide(book: TallyBook, *, times: int = 1, key: str = "1-abc", version: str = "1.0.0") -> None:
    for _ in range(times):
        book.of(key, version, WATCHED).add(SHIPPED.example(), 1, 0.75)


@pytest.fixture(params=["shared", "alone"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "shared" else None


def test_every_bin_is_there_before_the_first_decision_and_counts(folder: Path | None) -> None:
    book = TallyBook(folder, 0)
    book.of("1-abc", "1.0.0", WATCHED)
    before = samples(book)
    graduates = ("loan_feature_values_total", "education", "02 Graduate", "1.0.0")
    assert before[graduates] == before["loan_score_values_total", "12 above", "1.0.0"] == 0
    assert before["loan_feature_reference_ratio", "education", "02 Graduate", "1.0.0"] == 1
    assert before["loan_score_reference_ratio", "11 [0.9, 1]", "1.0.0"] == pytest.approx(1 / 3)
    assert before["loan_reference_applications", "1.0.0"] == 3
    assert before["loan_reference_approval_ratio", "1.0.0"] == pytest.approx(2 / 3)
    decide(book, times=2)
    after = samples(book)
    assert after[graduates] == after["loan_score_values_total", "09 [0.7, 0.8)", "1.0.0"] == 2
    assert after["loan_expected_outcomes_total", "approved", "approved", "1.0.0"] == 1.5
    assert after["loan_expected_outcomes_total", "approved", "rejected", "1.0.0"] == 0.5
    assert set(after) == set(before)


def test_workers_add_up_and_a_successor_goes_on(tmp_path: Path) -> None:
    first, second = TallyBook(tmp_path, 0), TallyBook(tmp_path, 1)
    decide(first, times=2)
    decide(second, times=3)
    successor = TallyBook(tmp_path, 0)
    decide(successor, times=5)
    assert samples(second)["loan_feature_values_total", "education", "02 Graduate", "1.0.0"] == 10
    assert len(list(tmp_path.iterdir())) == 2


def test_versions_are_counted_apart(tmp_path: Path) -> None:
    book = TallyBook(tmp_path, 0)
    decide(book, times=2)
    decide(book, key="2-def", version="1.1.0")
    counted = samples(TallyBook(tmp_path, 7))
    by_version = [counted["loan_score_values_total", "09 [0.7, 0.8)", version] for version in ("1.0.0", "1.1.0")]
    assert by_version == [2, 1]


def test_a_file_of_another_reference_is_made_anew(tmp_path: Path) -> None:
    decide(TallyBook(tmp_path, 0))
    decide(TallyBook(tmp_path, 0), version="1.0.1")
    counted = samples(TallyBook(tmp_path, 0))
    assert counted["loan_score_values_total", "09 [0.7, 0.8)", "1.0.1"] == 1
    assert ("loan_score_values_total", "09 [0.7, 0.8)", "1.0.0") not in counted
