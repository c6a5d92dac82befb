"""Downloads of registered artifacts for the gate."""

from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion

from loan_api.scoring.package import TAG_ARTIFACT_DIGEST, TAG_THRESHOLD, artifact_digest
from training.registry.gate import Contestant


def fetch_artifact(uri: str, folder: Path) -> Path:
    """Download the artifact at `uri` into a new `folder` and return its path."""
    folder.mkdir(parents=True)
    return Path(download_artifacts(uri, dst_path=str(folder)))


def fetch_contestant(version: ModelVersion, folder: Path) -> Contestant:
    """Download a registered version for judgement. Damaged or missing files become its `problem`."""
    threshold = float(version.tags[TAG_THRESHOLD])
    try:
        artifact = fetch_artifact(f"models:/{version.name}/{version.version}", folder)
    except Exception as error:  # noqa: BLE001  # every artifact store has its own errors
        return Contestant(folder, threshold, f"its files cannot be fetched ({type(error).__name__})")
    if artifact_digest(artifact) != version.tags[TAG_ARTIFACT_DIGEST]:
        return Contestant(artifact, threshold, "its files have changed since registration")
    return Contestant(artifact, threshold)
