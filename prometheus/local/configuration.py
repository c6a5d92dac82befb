"""The project's configuration of Prometheus and Alertmanager, adapted to this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from loan_api.adapters.files.text_file import replace_file
from loan_api.adapters.keys.web_access import with_password
from loan_api.secrets import read_or_make_password
from loan_api.settings import Settings

_TEMPLATES = Path(__file__).resolve().parent.parent
# The user in prometheus/web.yml.
USER = "prometheus"


@dataclass(frozen=True)
class Addresses:
    """Ports on this machine."""

    service: int
    prometheus: int
    alertmanager: int


def write_configuration(settings: Settings, addresses: Addresses, folder: Path) -> None:
    """Write the configuration files to `folder`, readable only by their owner, and create missing passwords."""
    password_file = folder / "password"
    metrics_access = _basic_auth(settings.metrics_username, settings.metrics_password_file)
    read_or_make_password(settings.metrics_password_file)
    password = read_or_make_password(password_file)

    prometheus = _template("prometheus.yml")
    prometheus["rule_files"] = [str(_TEMPLATES / pattern) for pattern in prometheus["rule_files"]]
    (alertmanagers,) = prometheus["alerting"]["alertmanagers"]
    alertmanagers |= _target(addresses.alertmanager) | _basic_auth(USER, password_file)
    (service,) = prometheus["scrape_configs"]
    service |= _target(addresses.service) | metrics_access

    # Receivers without a channel: alerts are visible on Alertmanager's page, but nobody is notified.
    alertmanager = _template("alertmanager.yml")
    alertmanager["receivers"] = [{"name": receiver["name"]} for receiver in alertmanager["receivers"]]

    replace_file(folder / "prometheus.yml", yaml.safe_dump(prometheus, sort_keys=False))
    replace_file(folder / "alertmanager.yml", yaml.safe_dump(alertmanager, sort_keys=False))
    replace_file(folder / "web.yml", with_password((_TEMPLATES / "web.yml").read_text(encoding="utf-8"), password))


def _target(port: int) -> dict[str, Any]:
    return {"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}


def _basic_auth(user: str, password_file: Path) -> dict[str, Any]:
    return {"basic_auth": {"username": user, "password_file": str(password_file)}}


def _template(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((_TEMPLATES / name).read_text(encoding="utf-8"))
    return content
