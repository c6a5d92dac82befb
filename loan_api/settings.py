"""Settings, each declared once with its variable, default and meaning. docs/settings.md is generated from them.

`read_settings` reads the environment; the rest of the code receives plain values. Standard library only, so that the
service, training and gunicorn's master can all import it.
"""

import dataclasses
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loan_api.home import Home, sqlite_path, sqlite_url

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DATASET = PROJECT_ROOT / "dataset" / "loan_approval_dataset.csv"
SHIPPED_FORM = PROJECT_ROOT / "features.toml"
SAMPLE_DATASET = PROJECT_ROOT / "dataset" / "sample.csv"
# The URLs that SQLAlchemy accepts, except for other drivers, malformed ports and databases in memory.
_DATABASE_URL = re.compile(
    r"sqlite(\+pysqlite)?:///(?!:memory:|file:)[^?]+"
    r"|postgresql(\+psycopg)?://([^:/@]*(:[^@]*)?@)?(\[[^/?\]]+\]|[^/:@?]*)(:\d+)?(/[^?]*)?(\?.*)?"
)
_TRACKING_SERVER = re.compile(r"https?|((postgresql|mysql|mssql)(\+\w+)?)")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\.?")
# Names appear in `models:/NAME/VERSION` and in MLflow's filter language.
_MODEL_NAME = re.compile(r"\w[\w .-]*")


class SettingsError(Exception):
    """One or more settings are wrong; the text has a line for each."""


def _text(raw: str) -> str:
    return raw


def _path(raw: str) -> Path:
    return Path(raw).expanduser().resolve()


def _folder(raw: str) -> Path:
    """Return an existing folder, or one that can be created."""
    path = _path(raw)
    try:
        nearest = next(place for place in (path, *path.parents) if place.exists())
        if not nearest.is_dir():
            raise ValueError(f"must be a directory; {nearest} is not a directory")
    except OSError as error:
        raise ValueError(f"cannot be used: {error.strerror}") from error
    return path


def _unresolved_path(raw: str) -> Path:
    """Return an absolute path without resolving links: a mounted secret changes when its link is replaced."""
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


def _host(raw: str) -> str:
    """Return an IP address or a host name; IPv6 addresses may be in brackets."""
    bare = raw[1:-1] if raw.startswith("[") and raw.endswith("]") else raw
    try:
        return str(ip_address(bare))
    except ValueError:
        # gunicorn would listen on a Unix socket or an inherited file descriptor.
        if raw in ("unix", "fd") or not _HOST_NAME.fullmatch(raw):
            raise ValueError("must be an IP address or a host name, such as 127.0.0.1, :: or localhost") from None
        return raw


def _user_name(raw: str) -> str:
    if ":" in raw or not raw.isprintable():
        raise ValueError("must not contain colons or control characters: basic authentication cannot transmit them")
    return raw


def _model_name(raw: str) -> str:
    if not _MODEL_NAME.fullmatch(raw):
        raise ValueError(
            "must consist of letters, digits, spaces and the characters _ . - and start with a letter or digit"
        )
    return raw


def form_name(path: Path) -> str:
    """Return the name in a form, or that of the shipped one if the file is not valid, which is reported elsewhere."""
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8-sig"))["form"]["name"])
    except (OSError, ValueError, LookupError, TypeError):
        return "loan_approval"


def _tracking_uri(raw: str) -> str:
    try:
        parts = urlsplit(raw)
        is_server = _TRACKING_SERVER.fullmatch(parts.scheme) is not None and raw.startswith(f"{parts.scheme}://")
        if is_server and (parts.hostname or not parts.scheme.startswith("http")):
            return raw
    except ValueError:
        pass  # such as unbalanced brackets
    file = sqlite_path(raw)
    if file is None and raw.partition(":")[0] != "databricks":
        raise ValueError(
            "must be sqlite:///FILE, http(s)://HOST:PORT, or a database URL such as postgresql://HOST/DATABASE"
        )
    _check_file(file)
    return raw


def _database_url(raw: str) -> str:
    if not _DATABASE_URL.fullmatch(raw):
        raise ValueError(
            "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE, where an @ in the password is"
            " written %40"
        )
    _check_file(sqlite_path(raw))
    return raw


def _check_file(path: Path | None) -> None:
    if path is not None and path.is_dir():
        raise ValueError(f"must name a file; {path} is a directory")


def _setting(
    variable: str,
    parse: Callable[[str], Any],
    default: str | Callable[[Mapping[str, Any]], object] | None,
    meaning: str,
    shown: str = "",
) -> Any:
    """Declare a setting as a dataclass field.

    `default` may depend on settings that are declared before; `shown` describes one that depends on them or on the
    machine.
    """
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

    loan_home: Path = _setting("LOAN_HOME", _folder, "./instance", "the folder for every file that the system writes")
    host: str = _setting("HOST", _host, "127.0.0.1", "the address that the API listens on; the image sets 0.0.0.0")
    port: int = _setting("PORT", _number_from(1, 65535), "5000", "the port that the API listens on")
    web_concurrency: int = _setting(
        "WEB_CONCURRENCY",
        _number_from(1, 256),
        str(os.cpu_count() or 1),
        "gunicorn workers",
        shown="number of CPUs",
    )
    features_path: Path = _setting(
        "FEATURES_PATH", _path, str(SHIPPED_FORM), "the application form", shown="the shipped form, `features.toml`"
    )
    policy_path: Path | None = _setting(
        "POLICY_PATH",
        _unresolved_path,
        None,
        "the credit policy; without it the model's threshold decides",
    )
    dataset_path: Path | None = _setting(
        "DATASET_PATH",
        _path,
        None,
        "training data",
        shown="for the shipped form, dataset/loan_approval_dataset.csv if it exists, otherwise the sample; for another"
        " form, none: training needs it",
    )
    mlflow_tracking_uri: str = _setting(
        "MLFLOW_TRACKING_URI",
        _tracking_uri,
        lambda values: sqlite_url(Home(values["loan_home"]).tracking_database),
        "MLflow tracking and registry; with the default, artifacts are under $LOAN_HOME/mlartifacts",
        shown="sqlite:///$LOAN_HOME/mlflow.db",
    )
    database_url: str = _setting(
        "DATABASE_URL",
        _database_url,
        lambda values: sqlite_url(Home(values["loan_home"]).decisions_database),
        "the decision log's database",
        shown="sqlite:///$LOAN_HOME/decisions.db",
    )
    metrics_username: str = _setting("METRICS_USERNAME", _user_name, "prometheus", "user name for /metrics")
    metrics_password_file: Path = _setting(
        "METRICS_PASSWORD_FILE",
        _path,
        lambda values: Home(values["loan_home"]).metrics_password,
        "file with the password for /metrics, generated at the first start (mode 0600)",
        shown="$LOAN_HOME/metrics_password",
    )
    desk_secret_file: Path = _setting(
        "DESK_SECRET_FILE",
        _path,
        lambda values: Home(values["loan_home"]).desk_secret,
        "file with the secret that signs the desk's cookies, generated at the first start (mode 0600)",
        shown="$LOAN_HOME/desk_secret",
    )
    api_keys_file: Path | None = _setting(
        "API_KEYS_FILE",
        _unresolved_path,
        None,
        "hashed API keys with scopes; without it scoring is open, and everything else is refused",
    )
    model_name: str = _setting(
        "MODEL_NAME",
        _model_name,
        lambda values: f"{form_name(values['features_path'])}_model",
        "the registered model to train and serve",
        shown="the form's name and `_model`: `loan_approval_model` for the shipped form",
    )
    model_stage: str = _setting(
        "MODEL_STAGE", _one_of("Staging", "Production"), "Production", "the registry stage to serve"
    )
    model_poll_seconds: int = _setting(
        "MODEL_POLL_SECONDS", _number_from(1, 3600), "10", "how often the service checks that stage for a new version"
    )
    max_batch_rows: int = _setting(
        "MAX_BATCH_ROWS", _number_from(1, 1_000_000), "10000", "maximum applications in one batch; more is a 413"
    )
    max_request_bytes: int = _setting(
        "MAX_REQUEST_BYTES", _number_from(1024, 2**30), "16777216", "maximum size of a request body; more is a 413"
    )
    max_held_bytes: int = _setting(
        "MAX_HELD_BYTES",
        _number_from(2**20, 2**36),
        "67108864",
        "maximum bytes of batches that a worker holds at a time; further batches wait, then get a 503",
    )
    decision_log: str = _setting(
        "DECISION_LOG",
        _one_of("on", "off"),
        "on",
        "record every decision before answering; off is for load tests",
    )
    decision_journal_bytes: int = _setting(
        "DECISION_JOURNAL_BYTES",
        _number_from(2**20, 2**36),
        "67108864",
        "maximum size of the local journal while the database is unavailable; when it is full, requests are refused",
    )
    git_commit: str | None = _setting(
        "GIT_COMMIT", _text, None, "the commit that the code was built from, if there is no checkout"
    )
    log_level: str = _setting(
        "LOG_LEVEL", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "minimum severity of log lines"
    )

    @property
    def home(self) -> Home:
        """The layout of LOAN_HOME."""
        return Home(self.loan_home)

    @property
    def base_url(self) -> str:
        """The API's URL for clients on this machine."""
        everywhere = self.host in ("127.0.0.1", "0.0.0.0", "::", "localhost")  # noqa: S104  # compared, not bound
        host = "localhost" if everywhere else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def locate_dataset(settings: Settings) -> Path:
    """Return the training data: the configured file or, for the shipped form, the user's in `dataset/` or the sample.

    Raises SettingsError if another form's is not configured.
    """
    if settings.dataset_path is not None:
        return settings.dataset_path
    if settings.features_path != SHIPPED_FORM:
        raise SettingsError(
            f"DATASET_PATH is not set; set it to the training data of the form {settings.features_path}"
        )
    return DEFAULT_DATASET if DEFAULT_DATASET.exists() else SAMPLE_DATASET


def declared_settings() -> list[tuple[str, str, str]]:
    """Return variable, documented default and meaning of every setting, in the order of declaration."""
    return [
        (field.metadata["variable"], field.metadata["shown"], field.metadata["meaning"])
        for field in dataclasses.fields(Settings)
    ]


def read_settings(
    environ: Mapping[str, str] = os.environ, checks: Mapping[str, Callable[[Any], object]] | None = None
) -> Settings:
    """Read the settings from `environ`, in which an empty variable counts as unset.

    `checks` maps variables to functions that check more than the value, such as a file's content; they raise OSError,
    ValueError, or a SettingsError that names the variable. Raises SettingsError with all problems, one on each line.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(Settings):
        variable, parse, default = (field.metadata[key] for key in ("variable", "parse", "default"))
        raw = environ.get(variable)
        if not raw and callable(default):
            try:
                raw = str(default(values))
            except KeyError:
                continue  # the problem is reported for the setting that it depends on
        raw = raw or default
        try:
            value = None if raw is None else parse(raw)
            if checks and variable in checks and value is not None:
                checks[variable](value)
            values[field.name] = value
        except SettingsError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"{variable} {error}")
        except OSError as error:
            problems.append(f"{variable} cannot be used: {error.strerror} ({error.filename})")
    # MLflow reads its migrations from its own folder, which must not contain a %; make refuses, too.
    if "%" in sys.prefix:
        problems.append(f"MLflow does not work in a path that contains a %: {sys.prefix}; move the checkout")
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values)


def check_writable(folder: Path) -> None:
    """Raise OSError unless files can be created in `folder`, or in its nearest existing parent."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    # Permissions are not conclusive: the file system may be read-only, and root ignores them.
    probe = existing / f".writable-{os.getpid()}"
    try:
        probe.touch()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(existing)) from error
    probe.unlink()
