"""Every setting, declared once: variable, default and meaning. docs/settings.md is made from here.

`read_settings` reads the environment once, at start; the rest of the code gets plain values. A leaf module: it imports
nothing of the project, so that the service, training and gunicorn can all use it.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DATASET = PROJECT_ROOT / "dataset" / "loan_approval_dataset.csv"
SAMPLE_DATASET = PROJECT_ROOT / "dataset" / "sample.csv"
# What SQLAlchemy takes for such a URL, without what it would take for a port, a driver, or a database in memory.
_DATABASE_URL = re.compile(
    r"sqlite(\+pysqlite)?:///(?!:memory:|file:)[^?]+"
    r"|postgresql(\+psycopg)?://([^:/@]*(:[^@]*)?@)?(\[[^/?\]]+\]|[^/:@?]*)(:\d+)?(/[^?]*)?(\?.*)?"
)


class SettingsError(Exception):
    """One or more settings are wrong; the text names each, a line each."""


def _text(raw: str) -> str:
    return raw


def _path(raw: str) -> Path:
    return Path(raw).expanduser().resolve()


def _folder(raw: str) -> Path:
    """One that is there, or may be made."""
    path = _path(raw)
    try:
        nearest = next(place for place in (path, *path.parents) if place.exists())
        if not nearest.is_dir():
            raise ValueError(f"must be a directory; {nearest} is none")
    except OSError as error:
        raise ValueError(f"cannot be used: {error.strerror}") from error
    return path


def _path_as_named(raw: str) -> Path:
    """Links are not followed once and for all: what is mounted into a container is changed by turning a link."""
    return Path(raw).expanduser().absolute()


def _number_from(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        problem = f"must be a whole number from {lowest} to {highest}"
        if not raw.isascii() or not raw.isdigit():
            raise ValueError(problem)
        if not lowest <= int(raw) <= highest:
            raise ValueError(problem)
        return int(raw)

    return parse


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return raw

    return parse


def _database_url(raw: str) -> str:
    if not _DATABASE_URL.fullmatch(raw):
        raise ValueError(
            "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE, where an @ in the password is"
            " written %40"
        )
    return raw


def _setting(variable: str, parse: Callable[[str], Any], default: str | None, meaning: str, shown: str = "") -> Any:
    """A dataclass field. `default` may refer to LOAN_HOME; `shown` replaces a default that depends on the machine."""
    return dataclasses.field(
        metadata={
            "variable": variable,
            "parse": parse,
            "default": default,
            "meaning": meaning,
            "shown": shown or default or "none",
        }
    )


@dataclass(frozen=True)
class Settings:
    """The settings of one process. Paths are absolute."""

    loan_home: Path = _setting("LOAN_HOME", _folder, "./instance", "every file that the system writes lives under it")
    host: str = _setting("HOST", _text, "127.0.0.1", "the address that the API listens on; the image sets 0.0.0.0")
    port: int = _setting("PORT", _number_from(1, 65535), "5000", "the port that the API listens on")
    web_concurrency: int = _setting(
        "WEB_CONCURRENCY",
        _number_from(1, 256),
        str(os.cpu_count() or 1),
        "gunicorn workers",
        shown="number of CPUs",
    )
    dataset_path: Path | None = _setting(
        "DATASET_PATH",
        _path,
        None,
        "training data",
        shown="dataset/loan_approval_dataset.csv where that exists, else the shipped sample (said loudly)",
    )
    mlflow_tracking_uri: str = _setting(
        "MLFLOW_TRACKING_URI",
        _text,
        "sqlite:///$LOAN_HOME/mlflow.db",
        "MLflow tracking and registry; with the default, artifacts lie under $LOAN_HOME/mlartifacts",
    )
    database_url: str = _setting(
        "DATABASE_URL", _database_url, "sqlite:///$LOAN_HOME/decisions.db", "the decision log's database"
    )
    metrics_username: str = _setting("METRICS_USERNAME", _text, "prometheus", "user name for /metrics")
    metrics_password_file: Path = _setting(
        "METRICS_PASSWORD_FILE",
        _path,
        "$LOAN_HOME/metrics_password",
        "file with the password for /metrics, made at random (mode 0600) at the first start",
    )
    api_keys_file: Path | None = _setting(
        "API_KEYS_FILE",
        _path_as_named,
        None,
        "hashed API keys with scopes; without it scoring is open, and what needs `audit` or `admin` is refused",
    )
    model_name: str = _setting("MODEL_NAME", _text, "loan_approval_model", "the registered model to train and serve")
    model_stage: str = _setting(
        "MODEL_STAGE", _one_of("Staging", "Production"), "Production", "the registry stage that is served"
    )
    model_poll_seconds: int = _setting(
        "MODEL_POLL_SECONDS", _number_from(1, 3600), "10", "how often a worker looks for a new version in that stage"
    )
    max_batch_rows: int = _setting(
        "MAX_BATCH_ROWS", _number_from(1, 1_000_000), "10000", "the most applications in one batch; more is a 413"
    )
    max_request_bytes: int = _setting(
        "MAX_REQUEST_BYTES", _number_from(1024, 2**30), "16777216", "the largest request body; more is a 413"
    )
    max_held_bytes: int = _setting(
        "MAX_HELD_BYTES",
        _number_from(2**20, 2**36),
        "67108864",
        "the most bytes of batches that a worker holds at a time; what is beyond waits, then gets a 503",
    )
    decision_log: str = _setting(
        "DECISION_LOG",
        _one_of("on", "off"),
        "on",
        "whether every decision is recorded before it is answered; off is for load tests and the like",
    )
    decision_journal_bytes: int = _setting(
        "DECISION_JOURNAL_BYTES",
        _number_from(2**20, 2**36),
        "67108864",
        "the most that the local journal takes while the database is away; when it is full, decisions are refused",
    )
    git_commit: str | None = _setting(
        "GIT_COMMIT", _text, None, "the commit that the code was built from, where there is no checkout to ask"
    )
    log_level: str = _setting(
        "LOG_LEVEL", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "the least severe log line that is written"
    )

    @property
    def listens_locally(self) -> bool:
        """Whether `localhost` reaches the API."""
        return self.host in ("127.0.0.1", "0.0.0.0", "::", "localhost")  # noqa: S104  # compared, not bound

    @property
    def artifacts_path(self) -> Path:
        """Where artifacts lie when the tracking store is a local database."""
        return self.loan_home / "mlartifacts"

    @property
    def journals_path(self) -> Path:
        """Where decisions wait while their database is away."""
        return self.loan_home / "journal"

    @property
    def logs_path(self) -> Path:
        """Where training keeps the execution log of every run."""
        return self.loan_home / "logs"


def locate_dataset(configured: Path | None) -> Path:
    """The data to train on: the configured file, else the user's in `dataset/`, else the shipped sample."""
    if configured is not None:
        return configured
    return DEFAULT_DATASET if DEFAULT_DATASET.exists() else SAMPLE_DATASET


def declared_settings() -> list[tuple[str, str, str]]:
    """(variable, default as shown, meaning) of every setting, in declared order."""
    return [
        (field.metadata["variable"], field.metadata["shown"], field.metadata["meaning"])
        for field in dataclasses.fields(Settings)
    ]


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that `environ` asks for; an empty variable counts as not set.

    Raises SettingsError naming every wrong variable at once.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(Settings):
        variable, parse, default = (field.metadata[key] for key in ("variable", "parse", "default"))
        raw = environ.get(variable) or default
        if raw is None:
            values[field.name] = None
            continue
        if not environ.get(variable):
            raw = Template(raw).safe_substitute(LOAN_HOME=values.get("loan_home", ""))
        try:
            values[field.name] = parse(raw)
        except ValueError as error:
            problems.append(f"{variable} {error}")
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values)
