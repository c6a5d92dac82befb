"""The whole system in its own LOAN_HOME: parts start on first use and end together."""

import json
import os
import subprocess
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from loan_api.adapters.keys.file import add_key
from loan_api.home import Home
from loan_api.secrets import read_or_make_password
from loan_api.settings import PROJECT_ROOT
from prometheus.local.configuration import USER
from prometheus.local.programs import answers
from tools.screenshots.processes import StartError, finished, free_ports, running, wait_until

# Each registers a better version: first another algorithm, then another threshold.
_TRAININGS = (
    ("--candidates", "logistic_regression,lightgbm_random"),
    (),
    ("--wrong-approval-cost", "4"),
)
_POLICY = PROJECT_ROOT / "docs" / "examples" / "policy.toml"
_DESK_SECONDS = 60.0
_START_SECONDS = 120.0
_STEADY_SECONDS = 120.0
_FIRING = 'count(ALERTS{alertname="LoanModelFeatureDrift", window="1h", alertstate="firing"}) >= 3'
# The rule requires ten minutes of drift, which takes a few minutes to show in the last hour's applications.
_FIRING_SECONDS = 1_200.0


@dataclass(frozen=True)
class Credentials:
    """User name and password of Prometheus."""

    user: str
    password: str


@dataclass(frozen=True)
class Desk:
    """Address of a service, and a key for its desk."""

    url: str
    key: str


class System:
    """The addresses of the running parts, which start on first access. `say` reports slow steps."""

    def __init__(self, home: Path, stack: ExitStack, say: Callable[[str], None]) -> None:
        self._home = home
        self._stack = stack
        self._say = say
        # Consecutive ports: the service, the MLflow UI, Prometheus, Alertmanager and two services with a desk.
        self._port = free_ports(6)
        monitor = Home(home).monitor
        monitor.mkdir()
        self.credentials = Credentials(USER, read_or_make_password(monitor / "password"))

    @cached_property
    def mlflow(self) -> str:
        """Return the address of the MLflow UI with three registered versions, the last one in Production."""
        self._trained  # noqa: B018  # comes first
        url = f"http://localhost:{self._port + 1}"
        self._start("mlflow", ("-m", "training", "ui"), f"{url}/health")
        return url

    @cached_property
    def service(self) -> str:
        """Return the address of the API, which has a model."""
        self._trained  # noqa: B018  # comes first
        url = f"http://localhost:{self._port}"
        self._start("service", ("-m", "loan_api", "serve", "--announce"), f"{url}/health/ready")
        return url

    @cached_property
    def desk(self) -> Desk:
        """Return a second service, which has keys, a policy and decisions of a minute."""
        self._trained  # noqa: B018  # comes first
        environ = self._environ | {"POLICY_PATH": str(_POLICY), "DATABASE_URL": f"sqlite:///{self._home}/desk.db"}
        desk = self._desk("desk", self._port + 4, environ)
        self._say(f"Traffic for the desk for {_DESK_SECONDS / 60:g} minutes.")
        traffic = self._traffic("steady", "--url", desk.url, "--seconds", str(_DESK_SECONDS))
        finished(traffic, environ | {"LOAN_API_KEY": desk.key}, self._log("desk-traffic"))
        return desk

    @cached_property
    def german_desk(self) -> Desk:
        """Return a service for the form of another lender."""
        example = PROJECT_ROOT / "dataset" / "german_credit"
        environ = self._environ | {
            "LOAN_HOME": str(self._home / "german_credit"),
            "FEATURES_PATH": str(example.with_suffix(".toml")),
            "DATASET_PATH": str(example.with_suffix(".csv")),
        }
        self._say("python -m training run, for the form of another lender")
        finished(("-m", "training", "run"), environ, self._log("german-training"))
        return self._desk("german-desk", self._port + 5, environ)

    def _desk(self, name: str, port: int, environ: Mapping[str, str]) -> Desk:
        """Start a service with API keys."""
        keys = self._home / f"{name}-keys.json"
        key = add_key(keys, "jane", ("score", "audit", "review"), datetime.now(UTC))
        url = f"http://localhost:{port}"
        started = {**environ, "PORT": str(port), "API_KEYS_FILE": str(keys)}
        self._start(name, ("-m", "loan_api", "serve"), f"{url}/health/ready", started)
        return Desk(url, key)

    @cached_property
    def prometheus(self) -> str:
        """Return the address of Prometheus after steady traffic, followed by drift until an alert fires."""
        url = f"http://localhost:{self._port + 2}"
        self.service  # noqa: B018  # comes first
        self._start("monitor", ("-m", "prometheus.local"), f"{url}/-/ready")
        self._say(f"Steady traffic for {_STEADY_SECONDS / 60:g} minutes.")
        finished(self._traffic("steady", "--seconds", str(_STEADY_SECONDS)), self._environ, self._log("steady"))
        self._say("Drift until alerts fire, which takes about 13 minutes.")
        drift = self._start("drift", self._traffic("drift", "--rate", "40"))
        self._wait("drift", drift, lambda: self._finds(url, _FIRING), _FIRING_SECONDS)
        return url

    def _finds(self, prometheus: str, query: str) -> bool:
        """Return whether an instant query has a result."""
        request = urllib.request.Request(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}")  # noqa: S310
        given = b64encode(f"{self.credentials.user}:{self.credentials.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {given}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # our own http URL
                return bool(json.load(answer)["data"]["result"])
        except OSError:
            return False

    @cached_property
    def _environ(self) -> dict[str, str]:
        """Return an environment without the user's own settings, which must not show in the screenshots."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "LOGNAME": "lender",
            "LOAN_HOME": str(self._home),
            "PORT": str(self._port),
            "WEB_CONCURRENCY": "2",
            "PROMETHEUS_PORT": str(self._port + 2),
            "ALERTMANAGER_PORT": str(self._port + 3),
        }

    @cached_property
    def _trained(self) -> bool:
        for options in _TRAININGS:
            self._say(f"python -m training run {' '.join(options)}")
            finished(("-m", "training", "run", *options), self._environ, self._log("training"))
        return True

    def _traffic(self, scenario: str, *options: str) -> tuple[str, ...]:
        return ("-m", "loan_api", "simulate", "--scenario", scenario, *options)

    def _start(
        self,
        name: str,
        arguments: tuple[str, ...],
        url: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process and wait until it answers at `url`."""
        process = self._stack.enter_context(running(arguments, environ or self._environ, self._log(name)))
        if url is not None:
            self._wait(name, process, lambda: answers(url), _START_SECONDS)
        return process

    def _wait(self, name: str, process: subprocess.Popen[bytes], condition: Callable[[], bool], seconds: float) -> None:
        """Wait until `condition` holds. Raises StartError if `process` ends first."""
        wait_until(lambda: process.poll() is not None or condition(), name, seconds)
        if process.poll() is not None:
            raise StartError(f"{name} has ended:\n{self._log(name).read_text(encoding='utf-8')}")

    def _log(self, name: str) -> Path:
        return self._home / f"{name}.log"
