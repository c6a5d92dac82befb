"""Models for replays and bulk explanations: from the registry, verified as the service verifies them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from loan_api.adapters.registry.mlflow_source import MlflowModels
from loan_api.adapters.registry.pipelines import load_pipeline
from loan_api.credit.form import Form
from loan_api.errors import ModelUnavailableError, ReasonsUnavailableError
from loan_api.scoring.attribution import Attributor
from loan_api.scoring.loading import load_scorer
from loan_api.scoring.package import ReferencePackage, artifact_digest
from loan_api.scoring.profiles import ReferenceProfiles
from loan_api.scoring.scorer import Scorer
from loan_api.services.decision_log import Decider
from loan_api.settings import Settings


class ReplayModels:
    """Fetches each model once. If `other` is given, that semantic version replaces all of them."""

    def __init__(self, form: Form, settings: Settings, other: str | None = None) -> None:
        self._form = form
        self._settings = settings
        self._other = other
        self._load = cache(self._loaded)
        self._attributors: dict[Decider, Attributor] = {}

    def of(self, decider: Decider) -> tuple[Scorer, float]:
        """Return scorer and threshold for replaying decisions of `decider`. Raises ModelUnavailableError."""
        if self._other is not None:
            other = self._load(decider.model_name, None)
            return other.scorer, other.threshold
        # The recorded model is replayed with the recorded threshold.
        return self._that_decided(decider).scorer, decider.threshold

    def attributor_of(self, decider: Decider) -> Attributor:
        """Return the attributor that explains decisions of `decider`.

        Raises ReasonsUnavailableError if its version has left the registry or has no reference profiles, and
        ModelUnavailableError if it cannot be loaded.
        """
        if decider not in self._attributors:
            models = MlflowModels(self._settings.mlflow_tracking_uri, decider.model_name, self._settings.model_stage)
            if models.find_number(decider.registry_version) is None:
                raise ReasonsUnavailableError(
                    f"Version {decider.semantic_version} of {decider.model_name} has left the registry."
                )
            model = self._that_decided(decider)
            if model.profiles is None:
                raise ReasonsUnavailableError(
                    f"Version {decider.semantic_version} of {decider.model_name} has no reference profiles."
                )
            self._attributors[decider] = Attributor(self._form, model.scorer, model.profiles)
        return self._attributors[decider]

    def _that_decided(self, decider: Decider) -> "_Loaded":
        version = decider.registry_version
        model = self._load(decider.model_name, version)
        if model.semantic_version != decider.semantic_version:
            # A recreated registry counts its versions from 1 again.
            raise ModelUnavailableError(
                f"version {version} of {decider.model_name} in the registry is {model.semantic_version},"
                f" but {decider.semantic_version} decided"
            )
        return model

    def _loaded(self, name: str, registry_version: str | None) -> "_Loaded":
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
            profiles = ReferencePackage.read(artifact).profiles
            return _Loaded(scorer, described.facts.threshold, described.semantic_version, profiles)


@dataclass(frozen=True)
class _Loaded:
    scorer: Scorer
    threshold: float
    semantic_version: str
    profiles: ReferenceProfiles | None
