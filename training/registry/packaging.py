"""Packaging of a model: the pipeline, the code it needs, its compiled form and its reference package."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.models import infer_signature
from mlflow.models.model import ModelInfo
from sklearn.pipeline import Pipeline
from skops import io as skops_io

from loan_api.credit.features import describe
from loan_api.credit.form import Form
from loan_api.credit.frame import applications_frame
from loan_api.credit.reference import Edges, ReferenceDistribution, edges_of, feature_histograms
from loan_api.credit.reliability import Reliability
from loan_api.scoring.compiled import CompiledForm, write_why_not
from loan_api.scoring.package import REFERENCE_FOLDER, GoldenRows, ModelFacts, ReferencePackage
from loan_api.scoring.pipeline import PipelineScorer
from loan_api.scoring.profiles import ReferenceProfiles
from loan_api.scoring.scorer import Scorer
from loan_api.settings import PROJECT_ROOT
from training.compilation.form import compiled_form
from training.data.dataset import Dataset
from training.data.split import Split
from training.errors import NotCompilableError
from training.registry.golden import golden_applications, probe_applications
from training.registry.importance import group_importance
from training.registry.versions import ModelIdentity
from training.selection.evaluation import Evaluation

# Every model needs these distributions; an estimator of another library adds its own.
_RUNTIME = ("mlflow", "scikit-learn", "skops", "numpy", "pandas")
_SHIPPED_MODULES = (
    "__init__.py",
    "credit/__init__.py",
    "credit/bounds.py",
    "credit/derivation.py",
    "credit/expressions.py",
)
_EXAMPLES = 3


def training_edges(split: Split) -> Edges:
    """Return the edges of the bins of the training set."""
    return edges_of(feature_histograms(split.form, split.train_applications))


def compile_winner(winner: Evaluation, split: Split) -> CompiledForm | NotCompilableError:
    """Return the winner's compiled form, proven equal to its pipeline, or the reason why it has no compiled form."""
    form, edges = split.form, training_edges(split)
    invented = [*golden_applications(form, edges), *probe_applications(form, edges)]
    try:
        return compiled_form(form, winner.pipeline, winner.threshold, invented, edges)
    except NotCompilableError as error:
        return error


def log_artifact(
    form: Form,
    client: MlflowClient,
    winner: Evaluation,
    facts: ModelFacts,
    package: ReferencePackage,
    compiled: CompiledForm | NotCompilableError,
) -> ModelInfo:
    """Log pipeline, compiled form and reference package in the active run, without registering them."""
    example = applications_frame(form, package.golden_rows.applications[:_EXAMPLES])
    signature = infer_signature(example, winner.pipeline.predict(example))
    with shipped_code() as code:
        logged: ModelInfo = mlflow.sklearn.log_model(
            winner.pipeline,
            name="model",
            serialization_format="skops",
            skops_trusted_types=_trusted_types(winner.pipeline),
            code_paths=[str(code)],
            signature=signature,
            input_example=example,
            pip_requirements=_requirements(winner.candidate.library),
            metadata=facts.to_metadata(),
        )
    if logged.signature is None or logged.saved_input_example_info is None:
        raise RuntimeError("the model was logged without signature or input example")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        package.write(folder / REFERENCE_FOLDER)
        if isinstance(compiled, CompiledForm):
            compiled.write(folder)
        else:
            write_why_not(folder, str(compiled))
        client.log_model_artifacts(logged.model_id, temporary)
    return logged


def importance_of(
    winner: Evaluation, split: Split, compiled: CompiledForm | NotCompilableError, profiles: ReferenceProfiles | None
) -> dict[str, float]:
    """Return the importance of every group, largest first; empty without profiles."""
    if profiles is None:
        return {}
    scorer: Scorer = PipelineScorer(split.form, winner.pipeline)
    if isinstance(compiled, CompiledForm):
        scorer = compiled.scorer()
    return group_importance(split, scorer, profiles)


def reference_package(
    winner: Evaluation, split: Split, model_card: str, profiles: ReferenceProfiles | None
) -> ReferencePackage:
    """Build the winner's reference package. The score distribution covers unseen applications."""
    form = split.form
    golden = golden_applications(form, training_edges(split))
    return ReferencePackage(
        form=form.text,
        features=[describe(feature) for feature in form.features],
        distribution=ReferenceDistribution.of(form, split.train_applications, winner.out_of_fold, winner.threshold),
        golden_rows=GoldenRows(golden, winner.pipeline.predict_proba(applications_frame(form, golden))[:, 1].tolist()),
        model_card=model_card,
        profiles=profiles,
        reliability=Reliability.of(winner.holdout, split.holdout_outcomes),
    )


def identify(winner: Evaluation, dataset: Dataset, split: Split) -> ModelIdentity:
    """Return the winner's identity."""
    form, edges = split.form, training_edges(split)
    invented = applications_frame(form, [*golden_applications(form, edges), *probe_applications(form, edges)])
    behaviour = hashlib.sha256()
    for applications in (dataset.applications, invented):
        probabilities = winner.pipeline.predict_proba(applications)[:, 1]
        behaviour.update(np.ascontiguousarray(probabilities, dtype="<f8").tobytes())
    with shipped_code() as code:
        files = sorted(path for path in code.rglob("*") if path.is_file())
        shipped = {path.relative_to(code).as_posix(): path.read_text(encoding="utf-8") for path in files}
    return ModelIdentity(
        feature_schema=form.digest,
        dataset=dataset.digest,
        algorithm=winner.candidate.name,
        threshold=repr(winner.threshold),
        behaviour=behaviour.hexdigest(),
        code=hashlib.sha256(json.dumps(shipped).encode()).hexdigest(),
        libraries=" ".join(_requirements(winner.candidate.library)),
    )


@contextmanager
def shipped_code() -> Iterator[Path]:
    """Yield a copy of the modules of `loan_api` that the pipeline imports when it is loaded elsewhere.

    Other modules are left out, because this code is part of the model's identity.
    """
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "loan_api")
        for module in _SHIPPED_MODULES:
            target = package / module
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_ROOT / "loan_api" / module, target)
        yield package


def _trusted_types(pipeline: Pipeline) -> list[str]:
    """Return the types in our pipeline that skops does not know. Loading is limited to these."""
    types: list[str] = skops_io.get_untrusted_types(data=skops_io.dumps(pipeline))
    return types


def _requirements(library: str | None) -> Sequence[str]:
    distributions = [*_RUNTIME, *([library] if library else [])]
    return [f"{distribution}=={version(distribution)}" for distribution in distributions]
