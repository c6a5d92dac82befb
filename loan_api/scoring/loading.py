"""Loading of scorers: the compiled form if it is proven equal to the pipeline, otherwise the pipeline itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loan_api.credit.form import Form
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.compiled import CompiledScorer
from loan_api.scoring.package import GoldenRows, ModelFacts, ReferencePackage
from loan_api.scoring.parity import golden_disagreement, proven_scorer
from loan_api.scoring.scorer import Scorer
from loan_api.scoring.watched import WatchedDistribution

LoadPipeline = Callable[[Path], Any]


def load_scorer(
    form: Form, artifact: Path, facts: ModelFacts, load_pipeline: LoadPipeline
) -> tuple[Scorer, WatchedDistribution, str | None]:
    """Load the fastest scorer that reproduces the registered pipeline, and the distribution to watch.

    `form` is the service's own; only models of it are loaded.

    The third value explains why the compiled form is not used; None if it is. Raises ModelUnavailableError if no
    scorer in the artifact reproduces the pipeline.
    """
    if facts.feature_schema_digest != form.digest:
        raise ModelUnavailableError(f"it was trained on another application form than this service's, {form.name}")
    try:
        package = ReferencePackage.read(artifact)
        model_form = package.model_form(form)
        watched = WatchedDistribution(model_form, package.distribution)
        if package.profiles is not None:
            package.profiles.columns(model_form)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailableError(f"its reference package cannot be read ({type(error).__name__})") from error
    golden = package.golden_rows
    compiled = proven_scorer(model_form, artifact, golden, facts.threshold)
    if isinstance(compiled, CompiledScorer):
        return compiled, watched, None
    return _reference(model_form, artifact, golden, facts.threshold, load_pipeline), watched, compiled


def _reference(form: Form, artifact: Path, golden: GoldenRows, threshold: float, load_pipeline: LoadPipeline) -> Scorer:
    from loan_api.scoring.pipeline import PipelineScorer

    try:
        scorer = PipelineScorer(form, load_pipeline(artifact))
        found = golden_disagreement(form, scorer, golden, threshold)
    except Exception as error:
        # Each library that reads the artifact fails in its own way.
        raise ModelUnavailableError(f"it cannot be loaded ({type(error).__name__})") from error
    if found is not None:
        raise ModelUnavailableError(f"it does not reproduce its registered decisions: {found}")
    return scorer
