"""Registers a fitted pipeline as the next version of the model."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions, version
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.pipeline import Pipeline
from skops import io as skops_io

from loan_api.scoring.package import (
    TAG_DATASET_DIGEST,
    TAG_FEATURE_SCHEMA_DIGEST,
    TAG_GIT_COMMIT,
    TAG_SEMANTIC_VERSION,
    TAG_THRESHOLD,
    ModelFacts,
)
from loan_api.settings import PROJECT_ROOT
from training.evaluation import Evaluation, Split
from training.promotion import registered_versions

FIRST_VERSION = (1, 0, 0)

_MODEL_DESCRIPTION = (
    "Decides loan applications: probability that an application is approved. Feature derivation and preprocessing are"
    " part of the model; its input is the raw application. Semantic versions: major, the features or their meaning"
    " changed; minor, other data or another algorithm; patch, a refit."
)
# The distributions that every model needs to be loaded; an estimator of another library adds its own.
_RUNTIME = ("mlflow", "scikit-learn", "skops", "numpy", "pandas")


def register(client: MlflowClient, name: str, winner: Evaluation, split: Split, facts: ModelFacts) -> ModelVersion:
    """Logs the winner's pipeline in the active run and registers it as the next version of `name`, in no stage yet."""
    example = split.train_applications.head(3)
    signature = infer_signature(example, winner.pipeline.predict(example))
    with _shipped_code() as code_paths:
        logged = mlflow.sklearn.log_model(
            winner.pipeline,
            name="model",
            serialization_format="skops",
            skops_trusted_types=_trusted_types(winner.pipeline),
            code_paths=code_paths,
            signature=signature,
            input_example=example,
            pip_requirements=_requirements(winner.candidate.library),
            metadata=facts.to_metadata(),
        )
    if logged.signature is None or logged.saved_input_example_info is None:
        raise RuntimeError("the model was logged without signature or input example")
    _ensure_registered_model(client, name)
    semantic_version = next_semantic_version(previous_facts(client, name), facts)
    return client.create_model_version(
        name=name,
        source=logged.model_uri,
        run_id=logged.run_id,
        model_id=logged.model_id,
        description=(
            f"{facts.algorithm}, cross-validated F1 {facts.metrics['cv_f1_mean']:.4f},"
            f" holdout F1 {facts.metrics['f1']:.4f}, trained on dataset {facts.dataset_digest[:12]}."
        ),
        tags={
            TAG_SEMANTIC_VERSION: semantic_version,
            TAG_DATASET_DIGEST: facts.dataset_digest,
            TAG_FEATURE_SCHEMA_DIGEST: facts.feature_schema_digest,
            TAG_GIT_COMMIT: facts.git_commit,
            TAG_THRESHOLD: str(facts.threshold),
            "algorithm": facts.algorithm,
        },
    )


def previous_facts(client: MlflowClient, name: str) -> tuple[str, dict[str, str]] | None:
    """Semantic version and tags of the newest registered version of `name`, or None for the first."""
    newest = max(registered_versions(client, name), key=lambda version: int(version.version), default=None)
    return None if newest is None else (newest.tags[TAG_SEMANTIC_VERSION], newest.tags)


def next_semantic_version(previous: tuple[str, dict[str, str]] | None, facts: ModelFacts) -> str:
    """The version that a model with `facts` gets after the previous one's (version, tags).

    Major: the features or their meaning changed. Minor: other data or another algorithm. Patch: a refit.
    """
    if previous is None:
        return ".".join(map(str, FIRST_VERSION))
    number, tags = previous
    major, minor, patch = map(int, number.split("."))
    if tags[TAG_FEATURE_SCHEMA_DIGEST] != facts.feature_schema_digest:
        return f"{major + 1}.0.0"
    if tags[TAG_DATASET_DIGEST] != facts.dataset_digest or tags["algorithm"] != facts.algorithm:
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


def git_commit() -> str:
    """The commit that the code stands at, `-dirty` where it was changed since, `unknown` outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    described = subprocess.run(
        [git, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name, description=_MODEL_DESCRIPTION)


@contextmanager
def _shipped_code() -> Iterator[list[str]]:
    """The code that the pipeline needs when it is loaded elsewhere: `loan_api.credit`, nothing else of the service."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "loan_api")
        source = PROJECT_ROOT / "loan_api"
        shutil.copytree(source / "credit", package / "credit", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(source / "__init__.py", package)
        yield [str(package)]


def _trusted_types(pipeline: Pipeline) -> list[str]:
    """The types in our own pipeline that skops does not know by itself; loading is limited to these."""
    types: list[str] = skops_io.get_untrusted_types(data=skops_io.dumps(pipeline))
    return types


def _requirements(library: str | None) -> list[str]:
    distributions = [*_RUNTIME]
    if library is not None:
        distributions += packages_distributions()[library][:1]
    return [f"{distribution}=={version(distribution)}" for distribution in distributions]
