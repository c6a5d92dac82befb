"""The health of the service, derived from its parts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loan_api.services.access import KeySource
from loan_api.services.decision_log import DecisionLog
from loan_api.services.model_registry import ModelRegistry
from loan_api.services.policy import PolicySource

HealthStatus = Literal["healthy", "degraded", "unhealthy"]

NO_VERSION = "none"


@dataclass(frozen=True)
class HealthReport:
    """The state of each part. `degraded` means that decisions are made but something needs attention."""

    status: HealthStatus
    model_loaded: bool
    model_version: str
    timestamp: datetime
    database: str
    decision_log: str
    registry: str
    access: str
    policy: str


class HealthService:
    """Health checks over the model registry, the decision log, the API keys and the credit policy."""

    def __init__(
        self,
        registry: ModelRegistry,
        log: DecisionLog,
        keys: KeySource,
        policies: PolicySource,
        now: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._log = log
        self._keys = keys
        self._policies = policies
        self._now = now

    @property
    def can_score(self) -> bool:
        """True if a model is loaded and its decisions can be recorded."""
        return self.obstacle is None

    @property
    def obstacle(self) -> str | None:
        """The reason why decisions cannot be made, or None."""
        if not self._registry.is_loaded:
            return "no model"
        return "decisions cannot be recorded" if self._is_log_shut else None

    def report(self) -> HealthReport:
        """Report the current state of each part."""
        database, decision_log = self._look_at_log()
        registry = self._registry.problem or "ok"
        access = self._keys.problem or "ok"
        policy = self._policies.problem or "ok"
        if not self.can_score:
            status: HealthStatus = "unhealthy"
        elif {database, registry, access, policy} == {"ok"} and decision_log in ("ok", "off"):
            status = "healthy"
        else:
            status = "degraded"
        return HealthReport(
            status=status,
            model_loaded=self._registry.is_loaded,
            model_version=self._registry.current.version.semantic_version if self._registry.is_loaded else NO_VERSION,
            timestamp=self._now(),
            database=database,
            decision_log=decision_log,
            registry=registry,
            access=access,
            policy=policy,
        )

    @property
    def _is_log_shut(self) -> bool:
        state = self._log.state
        return state is not None and state.recorded_in == "nowhere"

    def _look_at_log(self) -> tuple[str, str]:
        """Return the state of the database and of recording: `ok`, or the problem."""
        state = self._log.state
        if state is None:
            return "ok", "off"
        database = state.problem or "ok"
        if state.recorded_in == "database":
            return database, "ok"
        if state.recorded_in == "journal":
            return database, f"decisions are recorded in the local journal, where {state.waiting} wait for the database"
        return database, "decisions cannot be recorded"
