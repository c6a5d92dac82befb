"""The shipped sample matches its generator and resembles the real file."""

from pathlib import Path

from loan_api.settings import SAMPLE_DATASET
from tests.support.forms import SHIPPED
from training.data.dataset import read_dataset
from training.data.sample import ROWS, write_sample


def test_the_shipped_sample_is_what_the_generator_writes(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    write_sample(SHIPPED, path)
    assert path.read_bytes() == SAMPLE_DATASET.read_bytes()


def test_another_seed_is_other_data(tmp_path: Path) -> None:
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    write_sample(SHIPPED, first, rows=200, seed=1)
    write_sample(SHIPPED, second, rows=200, seed=2)
    assert first.read_bytes() != second.read_bytes()


def test_it_has_the_quirks_and_the_balance_of_the_real_file() -> None:
    text = SAMPLE_DATASET.read_text(encoding="utf-8")
    assert text.startswith("loan_id, no_of_dependents, education,")
    assert ", Not Graduate, " in text
    dataset = read_dataset(SHIPPED, SAMPLE_DATASET)
    assert len(dataset.applications) == ROWS
    assert (dataset.applications["residential_assets_value"] == -100_000).sum() > 10
    assert 0.55 < dataset.outcomes.mean() < 0.68
    good = dataset.outcomes[dataset.applications["cibil_score"] >= 550]
    poor = dataset.outcomes[dataset.applications["cibil_score"] < 550]
    assert good.mean() > 0.97
    assert 0.03 < poor.mean() < 0.2
