"""Models for replays: from the registry, verified as the service verifies them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from loan_api.adapters.registry.mlflow_source import MlflowModels
from loan_api.adapters.registry.pipelines import load_pipeline
from loan_api.credit.form import Form
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.loading import load_scorer
from loan_api.scoring.package import artifact_digest
from loan_api.scoring.scorer import Scorer
from loan_api.services.decision_log import Decider
from loan_api.settings import Settings


class ReplayModels:
    """Fetches each model once. If `other` is given, that semantic version replaces all of them."""

    def __init__(self, form: Form, settings: Settings, other: str | None) -> None:
        self._form = form
        self._settings = settings
        self._other = other
        self._load = cache(self._loaded)

    def of(self, decider: Decider) -> tuple[Scorer, float]:
        """Return scorer and threshold for replaying decisions of `decider`. Raises ModelUnavailableError."""
        version = None if self._other is not None else decider.registry_version
        scorer, threshold, semantic_version = self._load(decider.model_name, version)
        if version is not None and semantic_version != decider.semantic_version:
            # A recreated registry counts its versions from 1 again.
            raise ModelUnavailableError(
                f"version {version} of {decider.model_name} in the registry is {semantic_version},"
                f" but {decider.semantic_version} decided"
            )
        # The recorded model is replayed with the recorded threshold.
        return scorer, threshold if version is None else decider.threshold

    def _loaded(self, name: str, registry_version: str | None) -> tuple[Scorer, float, str]:
        models = MlflowModels(self._settings.mlflow_tracking_uri, name, self._settings.model_stage)
        if registry_version is None:
            entry = models.find_semantic(str(self._other))
        else:
            entry = models.find_registered(registry_version)
        with TemporaryDirectory(prefix="loan-replay-") as folder:
            artifact = models.fetch(entry, Path(folder))
            if artifact_digest(artifact) != models.digest_of(entry):
                raise ModelUnavailableError(f"the files of version {entry.version} differ from the registered ones")
            described = models.describe(entry, artifact)
            scorer, _, _ = load_scorer(self._form, artifact, described.facts, load_pipeline)
            return scorer, described.facts.threshold, described.semantic_version
