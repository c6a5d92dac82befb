"""Whether the service can do its work, and what is missing if not."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from loan_api.credit.errors import StorageError
from loan_api.services.model_registry import ModelRegistry

NO_VERSION = "none"


class Database(Protocol):
    """The decision log's database."""

    def check(self) -> None:
        """Raises StorageError unless it can be read and is at the revision of the code."""


@dataclass(frozen=True)
class HealthReport:
    """`healthy`; `degraded`: it scores, but something needs attention; `unhealthy`: it cannot score."""

    status: Literal["healthy", "degraded", "unhealthy"]
    model_loaded: bool
    model_version: str
    timestamp: datetime
    database: str
    registry: str


class HealthService:
    """Asks every part that scoring depends on."""

    def __init__(self, registry: ModelRegistry, database: Database, now: Callable[[], datetime]) -> None:
        self._registry = registry
        self._database = database
        self._now = now

    @property
    def can_score(self) -> bool:
        """Whether a request would be decided now."""
        return self._registry.is_loaded

    def report(self) -> HealthReport:
        """The state of each part, now."""
        database = self._check_database()
        registry = self._registry.problem or "ok"
        if not self.can_score:
            status: Literal["healthy", "degraded", "unhealthy"] = "unhealthy"
        elif (database, registry) == ("ok", "ok"):
            status = "healthy"
        else:
            status = "degraded"
        return HealthReport(
            status=status,
            model_loaded=self.can_score,
            model_version=self._registry.current.version.semantic_version if self.can_score else NO_VERSION,
            timestamp=self._now(),
            database=database,
            registry=registry,
        )

    def _check_database(self) -> str:
        try:
            self._database.check()
        except StorageError as error:
            return str(error)
        return "ok"
