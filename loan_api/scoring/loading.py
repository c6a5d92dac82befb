"""Makes a scorer of an artifact: the compiled form where it is proven, else the reference pipeline."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loan_api.credit.features import feature_schema_digest
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.columns import columns_of
from loan_api.scoring.compiled import CompiledForm, CompiledScorer, read_why_not
from loan_api.scoring.package import GoldenRows, ModelFacts, ReferencePackage
from loan_api.scoring.parity import disagreement
from loan_api.scoring.scorer import Scorer, ScoringModel
from loan_api.scoring.watched import WatchedDistribution

LoadPipeline = Callable[[Path], Any]


@dataclass(frozen=True)
class LoadedModel:
    """A model whose scorer has shown that it decides as the registered one; why that is not the compiled form."""

    model: ScoringModel
    artifact: Path
    why_not_compiled: str | None = None


def load_scorer(artifact: Path, facts: ModelFacts, load_pipeline: LoadPipeline) -> LoadedModel:
    """The quickest scorer in the artifact that gives the probabilities and decisions of the registered pipeline.

    Raises ModelUnavailableError where none does.
    """
    if facts.feature_schema_digest != feature_schema_digest():
        raise ModelUnavailableError("it was trained on other features than this service knows")
    try:
        package = ReferencePackage.read(artifact)
        watched = WatchedDistribution(package.distribution)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailableError(f"its reference package cannot be read ({type(error).__name__})") from error
    golden = package.golden_rows
    compiled = proven_scorer(artifact, golden, facts.threshold)
    if isinstance(compiled, CompiledScorer):
        return LoadedModel(ScoringModel(compiled, watched), artifact)
    reference = _reference(artifact, golden, facts.threshold, load_pipeline)
    return LoadedModel(ScoringModel(reference, watched), artifact, compiled)


def proven_scorer(artifact: Path, golden: GoldenRows, threshold: float) -> CompiledScorer | str:
    """The compiled scorer in the artifact where its proof holds, or why it is not to be used."""
    try:
        why_not = read_why_not(artifact)
        if why_not is not None:
            return why_not
        form = CompiledForm.read(artifact)
        scorer = form.scorer()
        found = disagreement(
            form.proof.probabilities, scorer.probabilities(form.proof.applications), threshold
        ) or _golden_disagreement(scorer, golden, threshold)
    except Exception as error:  # noqa: BLE001  # onnxruntime raises types of its own for every kind of damage
        return f"the compiled form cannot be loaded ({type(error).__name__})"
    return scorer if found is None else f"the compiled form is not the pipeline: {found}"


def _reference(artifact: Path, golden: GoldenRows, threshold: float, load_pipeline: LoadPipeline) -> Scorer:
    from loan_api.scoring.pipeline import PipelineScorer

    try:
        scorer = PipelineScorer(load_pipeline(artifact))
        found = _golden_disagreement(scorer, golden, threshold)
    except Exception as error:
        # An artifact can be broken in as many ways as there are libraries that read it.
        raise ModelUnavailableError(f"it cannot be loaded ({type(error).__name__})") from error
    if found is not None:
        raise ModelUnavailableError(f"it does not decide as it did when it was registered: {found}")
    return scorer


def _golden_disagreement(scorer: Scorer, golden: GoldenRows, threshold: float) -> str | None:
    """By the batch and one by one, as both ways are used."""
    expected = np.array(golden.probabilities)
    together = scorer.probabilities(columns_of(golden.applications))
    alone = np.array([scorer.probability(application) for application in golden.applications[:_ALONE]])
    return disagreement(expected, together, threshold) or disagreement(expected[:_ALONE], alone, threshold)


# Enough to show it, and few enough for the reference pipeline, which takes milliseconds for each.
_ALONE = 8
