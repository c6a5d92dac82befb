"""Fixtures for the service as users start it: a separate process with gunicorn and real workers."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser

from loan_api.adapters.keys.file import add_key
from tests.support.homes import TrainedHome, copy_of
from tests.support.prefix_proxy import prefix_proxy
from tests.support.service import ClosedService, KeptService, Service, free_port, started_service
from tests.support.waiting import wait_until
from tools.screenshots.browser import MISSING, chromium, started
from training.registry.promotion import put_into_production
from training.registry.versions import find_version

Proxied = Callable[[Service], str]


# Services end with the last of these tests: idle ones poll the registry and would slow down the rest of the run.
@pytest.fixture(scope="package")
def kept_service(twice_trained_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptService]:
    """Share a service with 1.0.0 in Production, after 1.0.1 was rolled back."""
    home = copy_of(twice_trained_home, tmp_path_factory.mktemp("service") / "home")
    first = find_version(home.client, home.settings.model_name, "1.0.0")
    put_into_production(home.client, first, "rollback")
    kept = KeptService(home.settings.loan_home)
    yield kept
    kept.stop()


@pytest.fixture
def service(kept_service: KeptService) -> Service:
    """Provide a service that the test may load, kill and stop, but leaves with 1.0.0 in Production."""
    return kept_service.running()


@pytest.fixture(scope="module")
def home(trained_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a LOAN_HOME for the module with 1.0.0 in Production."""
    return copy_of(trained_home, tmp_path_factory.mktemp("own") / "home").settings.loan_home


@pytest.fixture(scope="package")
def closed_service(trained_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClosedService]:
    """Provide a service with 1.0.0 in Production that must not be stopped; later tests see its records."""
    home = copy_of(trained_home, tmp_path_factory.mktemp("closed") / "home").settings.loan_home
    keys = home / "keys.json"
    key = add_key(keys, "operations", ("admin",), datetime.now(UTC))
    with started_service(home, API_KEYS_FILE=str(keys)) as running:
        yield ClosedService(running, key)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        pytest.skip(MISSING)
    with started(executable) as browser:
        yield browser


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    """Provide a function that returns the address of a service behind nginx with a path prefix."""
    if shutil.which("nginx", path="/usr/sbin") is None:
        pytest.skip("nginx is missing: apt-get install nginx-light")
    with ExitStack() as running:

        def proxy(service: Service) -> str:
            address = running.enter_context(prefix_proxy(tmp_path, free_port(), service.url("")))
            wait_until(lambda: _is_up(address), "nginx to answer", 30)
            return address

        yield proxy


def _is_up(address: str) -> bool:
    try:
        return requests.get(f"{address}/health/live", timeout=5).ok
    except requests.ConnectionError:
        return False
