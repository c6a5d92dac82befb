"""Layout of LOAN_HOME, the folder that holds every file the system writes; the only module that knows the paths in it.

Standard library only, as gunicorn's master imports it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

_SQLITE_URL = re.compile(r"sqlite(?:\+pysqlite)?:///(?!:memory:)(?P<path>[^?]+)")


@dataclass(frozen=True)
class Home:
    """Paths of the files and folders in LOAN_HOME."""

    folder: Path

    @property
    def tracking_database(self) -> Path:
        """MLflow's runs and registry, unless MLFLOW_TRACKING_URI names another store."""
        return self.folder / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifacts, if its store is a local database."""
        return self.folder / "mlartifacts"

    @property
    def decisions_database(self) -> Path:
        """The decision log, unless DATABASE_URL names another database."""
        return self.folder / "decisions.db"

    @property
    def journals(self) -> Path:
        """Decisions that wait for the database."""
        return self.folder / "journal"

    @property
    def metrics_password(self) -> Path:
        """The password for /metrics, unless METRICS_PASSWORD_FILE names another file."""
        return self.folder / "metrics_password"

    @property
    def desk_secret(self) -> Path:
        """The secret that signs the desk's cookies, unless DESK_SECRET_FILE names another file."""
        return self.folder / "desk_secret"

    @property
    def models(self) -> Path:
        """The service's cache of registered models."""
        return self.folder / "models"

    @property
    def logs(self) -> Path:
        """Execution logs of training runs."""
        return self.folder / "logs"

    @property
    def monitor(self) -> Path:
        """Configuration and data of the Prometheus and Alertmanager that `make monitor` starts."""
        return self.folder / "monitor"

    @property
    def clients(self) -> Path:
        """Clients that `make sdk` generates."""
        return self.folder / "clients"

    @property
    def bills_of_materials(self) -> Path:
        """Bills of materials that `make sbom` writes."""
        return self.folder / "sbom"

    @property
    def registry_lock(self) -> Path:
        """Lock held while the registry is changed."""
        return self.folder / "registry.lock"

    @property
    def tracking_lock(self) -> Path:
        """Lock held while the tracking database is created."""
        return self.folder / "tracking.lock"

    @property
    def run(self) -> Path:
        """State of running servers, which may share a home: file names contain the port or the start time."""
        return self.folder / "run"

    def server_lock(self, port: int) -> Path:
        """Return the lock held by the server on `port`."""
        return self.run / f"server-{port}.lock"

    def metrics(self, port: int) -> Path:
        """Return the folder in which the workers on `port` keep their metrics."""
        return self.run / f"metrics-{port}"

    def kept_keys(self, port: int) -> Path:
        """Return the file from which replacement workers on `port` restore the API keys."""
        return self.run / f"keys-{port}.json"

    def kept_policy(self, port: int) -> Path:
        """Return the file from which replacement workers on `port` restore the credit policy."""
        return self.run / f"policy-{port}.toml"

    def recorder_lock(self, server_start: float) -> Path:
        """Return the lock held by the recorder of the server that started at `server_start`."""
        return self.run / f"recorder-{server_start:.6f}.lock"


def sqlite_url(file: Path) -> str:
    """Return the URL of an SQLite database.

    Only what a URL parser would misread is escaped: MLflow creates the parent folder of the text as it stands, so that
    each further escape would leave an empty folder of that name.
    """
    return "sqlite:///" + re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", str(file)).replace("?", "%3F")


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite database; None for one in memory or on a server."""
    match = _SQLITE_URL.match(url)
    return Path(unquote(match["path"])) if match else None
