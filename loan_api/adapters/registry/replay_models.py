"""The models that decisions are replayed with: from the registry, verified as the service verifies them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from loan_api.adapters.registry.mlflow_source import MlflowModels
from loan_api.adapters.registry.pipelines import load_pipeline
from loan_api.errors import ModelUnavailableError
from loan_api.scoring.loading import load_scorer
from loan_api.scoring.package import artifact_digest
from loan_api.services.decision_log import Decider
from loan_api.services.replay import ReplayModel
from loan_api.settings import Settings


class ReplayModels:
    """Each model is fetched once. With `other`, a semantic version, that one stands in for all of them."""

    def __init__(self, settings: Settings, other: str | None) -> None:
        self._settings = settings
        self._other = other
        self._load = cache(self._loaded)

    def of(self, decider: Decider) -> ReplayModel:
        """The model to score with what `decider` decided. Raises ModelUnavailableError."""
        version = None if self._other is not None else decider.registry_version
        model, semantic_version = self._load(decider.model_name, version)
        if version is not None and semantic_version != decider.semantic_version:
            # Registries that were made anew count their versions from 1 again.
            raise ModelUnavailableError(
                f"version {version} of {decider.model_name} in the registry is {semantic_version},"
                f" not the {decider.semantic_version} that decided"
            )
        # The recorded threshold counts where it is the recorded model.
        return model if version is None else ReplayModel(model.scorer, decider.threshold)

    def _loaded(self, name: str, registry_version: str | None) -> tuple[ReplayModel, str]:
        models = MlflowModels(self._settings.mlflow_tracking_uri, name, self._settings.model_stage)
        if registry_version is None:
            entry = models.find_semantic(str(self._other))
        else:
            entry = models.find_registered(registry_version)
        with TemporaryDirectory(prefix="loan-replay-") as folder:
            artifact = models.fetch(entry, Path(folder))
            if artifact_digest(artifact) != models.digest_of(entry):
                raise ModelUnavailableError(f"the files of version {entry.version} are not those that were registered")
            described = models.describe(entry, artifact)
            scorer = load_scorer(artifact, described.facts, load_pipeline).model.scorer
            return ReplayModel(scorer, described.facts.threshold), described.semantic_version
