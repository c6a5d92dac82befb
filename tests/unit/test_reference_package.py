"""The reference package survives a round trip and detects damage."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loan_api.credit.features import describe
from loan_api.credit.form import parse_form
from loan_api.credit.frame import applications_frame
from loan_api.credit.reference import ReferenceDistribution
from loan_api.credit.reliability import Reliability, ReliabilityBin
from loan_api.scoring.package import REFERENCE_FOLDER, GoldenRows, ReferencePackage, artifact_digest
from loan_api.scoring.profiles import ReferenceProfiles
from tests.support.forms import SHIPPED, SMALL


@pytest.fixture
def package() -> ReferencePackage:
    applications = [SHIPPED.example(), SHIPPED.example() | {"education": "Post Graduate", "loan_term": 45}]
    return ReferencePackage(
        form=SHIPPED.text,
        features=[describe(feature) for feature in SHIPPED.features],
        distribution=ReferenceDistribution.of(
            SHIPPED, applications_frame(SHIPPED, applications), np.array([0.125, 1.0]), threshold=0.5
        ),
        golden_rows=GoldenRows(applications, [0.1 + 0.2, 1 / 3]),
        model_card="# Card\n",
        profiles=ReferenceProfiles((1.0,), (SHIPPED.example(),)),
        reliability=Reliability([ReliabilityBin(3, 0.1 + 0.2, 1 / 3)]),
    )


def test_it_survives_a_round_trip(package: ReferencePackage, tmp_path: Path) -> None:
    package.write(tmp_path / REFERENCE_FOLDER)
    assert ReferencePackage.read(tmp_path) == package


@pytest.mark.parametrize("part", ["profiles", "reliability"])
def test_a_package_from_before_there_was_a_part_is_still_read(
    package: ReferencePackage, tmp_path: Path, part: str
) -> None:
    package.write(tmp_path / REFERENCE_FOLDER)
    (tmp_path / REFERENCE_FOLDER / f"{part}.json").unlink()
    older = ReferencePackage.read(tmp_path)
    assert older.model_card == package.model_card
    assert getattr(older, part) is None


def test_a_package_from_before_there_were_forms_is_still_read(package: ReferencePackage, tmp_path: Path) -> None:
    package.write(tmp_path / REFERENCE_FOLDER)
    (tmp_path / REFERENCE_FOLDER / "features.toml").unlink()
    older = ReferencePackage.read(tmp_path)
    assert older == replace(package, form=None)
    assert older.model_form(SHIPPED) is SHIPPED


def test_a_model_keeps_its_own_formulas(package: ReferencePackage) -> None:
    """Use the model's form if it derives other features than the service's, whatever the digests are."""
    assert package.model_form(SHIPPED) is SHIPPED
    own = parse_form(SMALL.text.replace("amount / months", "2 * amount / months"))
    assert own.digest == SMALL.digest
    model_form = replace(package, form=own.text).model_form(SMALL)
    assert model_form.derivation() == own.derivation() != SMALL.derivation()


def test_every_feature_has_its_shares(package: ReferencePackage) -> None:
    assert tuple(package.distribution.features) == SHIPPED.names
    for histogram in (*package.distribution.features.values(), package.distribution.score):
        assert sum(histogram.shares.values()) == pytest.approx(1)
    assert package.distribution.features["education"].shares["unseen"] == 0.5
    assert package.distribution.features["loan_term"].shares["above"] == 0.5
    assert package.distribution.score.shares["[0.1, 0.2)"] == 0.5


def test_the_largest_deviation_from_the_golden_rows_is_returned(package: ReferencePackage) -> None:
    assert package.golden_rows.largest_deviation(package.golden_rows.probabilities) == 0
    assert package.golden_rows.largest_deviation([0.3, 0.5]) == pytest.approx(1 / 6)


def test_damage_is_detected(package: ReferencePackage, tmp_path: Path) -> None:
    folder = tmp_path / REFERENCE_FOLDER
    package.write(folder)
    distribution = json.loads((folder / "distribution.json").read_text())
    del distribution["features"]["cibil_score"]["counts"]["above"]
    (folder / "distribution.json").write_text(json.dumps(distribution))
    with pytest.raises(KeyError):
        ReferencePackage.read(tmp_path)
    (folder / "distribution.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting"):
        ReferencePackage.read(tmp_path)
    (folder / "distribution.json").unlink()
    with pytest.raises(OSError, match="No such file"):
        ReferencePackage.read(tmp_path)


def test_the_digest_covers_only_names_and_contents(tmp_path: Path) -> None:
    for copy in ("one", "two"):
        (tmp_path / copy / "sub").mkdir(parents=True)
        (tmp_path / copy / "sub" / "a").write_text("a")
        (tmp_path / copy / "b").write_text("b")
    (tmp_path / "two" / "registered_model_meta").write_text("written by MLflow")
    (tmp_path / "two" / "sub" / "__pycache__").mkdir()
    (tmp_path / "two" / "sub" / "__pycache__" / "a.pyc").write_text("written by Python")
    digest = artifact_digest(tmp_path / "one")
    assert artifact_digest(tmp_path / "two") == digest
    (tmp_path / "two" / "b").write_text("B")
    assert artifact_digest(tmp_path / "two") != digest
    (tmp_path / "two" / "b").rename(tmp_path / "two" / "c")
    assert artifact_digest(tmp_path / "two") != digest
