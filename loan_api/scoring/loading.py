"""Loading of scorers: the compiled form if it is proven equal to the pipeline, otherwise the pipeline itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loan_api.credit.features import feature_schema_digest
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.compiled import CompiledScorer
from loan_api.scoring.package import GoldenRows, ModelFacts, ReferencePackage
from loan_api.scoring.parity import golden_disagreement, proven_scorer
from loan_api.scoring.scorer import Scorer
from loan_api.scoring.watched import WatchedDistribution

LoadPipeline = Callable[[Path], Any]


def load_scorer(
    artifact: Path, facts: ModelFacts, load_pipeline: LoadPipeline
) -> tuple[Scorer, WatchedDistribution, str | None]:
    """Load the fastest scorer that reproduces the registered pipeline, and the distribution to watch.

    The third value explains why the compiled form is not used; None if it is. Raises ModelUnavailableError if no
    scorer in the artifact reproduces the pipeline.
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
        return compiled, watched, None
    return _reference(artifact, golden, facts.threshold, load_pipeline), watched, compiled


def _reference(artifact: Path, golden: GoldenRows, threshold: float, load_pipeline: LoadPipeline) -> Scorer:
    from loan_api.scoring.pipeline import PipelineScorer

    try:
        scorer = PipelineScorer(load_pipeline(artifact))
        found = golden_disagreement(scorer, golden, threshold)
    except Exception as error:
        # Each library that reads the artifact fails in its own way.
        raise ModelUnavailableError(f"it cannot be loaded ({type(error).__name__})") from error
    if found is not None:
        raise ModelUnavailableError(f"it does not reproduce its registered decisions: {found}")
    return scorer
