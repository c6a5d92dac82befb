"""Proof that a scorer equals the registered pipeline: probabilities within a tolerance, decisions exactly."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loan_api.credit.form import Form
from loan_api.scoring.columns import columns_of
from loan_api.scoring.compiled import CompiledForm, CompiledScorer, read_why_not
from loan_api.scoring.package import GoldenRows
from loan_api.scoring.scorer import Scorer

TOLERANCE = 1e-6
# Enough rows to prove single scoring, and few enough for the pipeline, which takes milliseconds for each.
_SCORED_SINGLY = 8


def disagreement(
    expected: NDArray[np.float64], actual: NDArray[np.float64], threshold: float, tolerance: float = TOLERANCE
) -> str | None:
    """Describe how two arrays of n probabilities differ, or return None if they agree."""
    if expected.shape != actual.shape:
        return f"{actual.shape} probabilities instead of {expected.shape}"
    deviation = float(np.max(np.abs(expected - actual), initial=0.0))
    # `deviation > tolerance` would let NaN pass.
    if not deviation <= tolerance:
        return f"probabilities are off by up to {deviation:.2g}, {tolerance:g} is allowed"
    different = int(np.count_nonzero((expected >= threshold) != (actual >= threshold)))
    if different:
        return f"{different} of {len(expected)} decisions differ"
    return None


def golden_disagreement(form: Form, scorer: Scorer, golden: GoldenRows, threshold: float) -> str | None:
    """Compare with the golden rows as a batch and singly, since the service scores in both ways."""
    expected = np.array(golden.probabilities)
    together = scorer.probabilities(columns_of(form, golden.applications))
    alone = np.array([scorer.probability(application) for application in golden.applications[:_SCORED_SINGLY]])
    return disagreement(expected, together, threshold) or disagreement(expected[:_SCORED_SINGLY], alone, threshold)


def proven_scorer(form: Form, artifact: Path, golden: GoldenRows, threshold: float) -> CompiledScorer | str:
    """Return the compiled scorer in the artifact if its proof holds, otherwise the reason not to use it."""
    try:
        why_not = read_why_not(artifact)
        if why_not is not None:
            return why_not
        compiled = CompiledForm.read(form, artifact)
        scorer = compiled.scorer()
        found = disagreement(
            compiled.proof.probabilities, scorer.probabilities(compiled.proof.applications), threshold
        ) or golden_disagreement(form, scorer, golden, threshold)
    except Exception as error:  # noqa: BLE001  # onnxruntime has its own exception types for every kind of damage
        return f"the compiled form cannot be loaded ({type(error).__name__})"
    return scorer if found is None else f"the compiled form differs from the pipeline: {found}"
