"""The project's configuration of Prometheus and Alertmanager, with the addresses and files of this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from loan_api.adapters.keys.web_access import with_password

_FOLDER = Path(__file__).resolve().parent.parent
# As prometheus/web.yml names it.
USER = "prometheus"


@dataclass(frozen=True)
class Addresses:
    """The ports of this machine."""

    service: int
    prometheus: int
    alertmanager: int


@dataclass(frozen=True)
class Credentials:
    """What Prometheus asks the service with, and the file with the password for Prometheus and Alertmanager."""

    metrics_user: str
    metrics_password_file: Path
    password_file: Path


def prometheus_configuration(addresses: Addresses, credentials: Credentials) -> str:
    """prometheus.yml, its targets on this machine."""
    configuration = _read("prometheus.yml")
    configuration["rule_files"] = [str(_FOLDER / pattern) for pattern in configuration["rule_files"]]
    (alertmanager,) = configuration["alerting"]["alertmanagers"]
    _point(alertmanager, addresses.alertmanager, USER, credentials.password_file)
    (service,) = configuration["scrape_configs"]
    _point(service, addresses.service, credentials.metrics_user, credentials.metrics_password_file)
    return _written(configuration)


def alertmanager_configuration() -> str:
    """alertmanager.yml, but nobody is told: what it would send can be seen on its page."""
    configuration = _read("alertmanager.yml")
    configuration["receivers"] = [{"name": receiver["name"]} for receiver in configuration["receivers"]]
    return _written(configuration)


def web_configuration(password: str) -> str:
    """web.yml, with the hash of the password."""
    return with_password((_FOLDER / "web.yml").read_text(encoding="utf-8"), password)


def _point(section: dict[str, Any], port: int, user: str, password_file: Path) -> None:
    section["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    section["basic_auth"] = {"username": user, "password_file": str(password_file)}


def _read(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))
    return read


def _written(configuration: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(configuration, sort_keys=False)
    return text
