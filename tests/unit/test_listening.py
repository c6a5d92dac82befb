"""A server acquires its address and its part of LOAN_HOME, or explains why it cannot."""

import os
import socket
from pathlib import Path

import pytest

from loan_api.entrypoints.server.listening import address_text, listen, lock_server
from loan_api.settings import SettingsError


@pytest.mark.parametrize(
    ("host", "text"),
    [("127.0.0.1", "127.0.0.1:80"), ("localhost", "localhost:80"), ("::", "[::]:80"), ("fe80::1", "[fe80::1]:80")],
)
def test_an_ipv6_address_is_bracketed(host: str, text: str) -> None:
    assert address_text(host, 80) == text


def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"Port {port} is already in use on 127\.0\.0\.1.*PORT="):
            listen("127.0.0.1", port, patience=0)


def test_a_listener_keeps_others_from_its_port() -> None:
    with listen("127.0.0.1", 0) as ours, pytest.raises(SettingsError, match="already in use"):
        listen("127.0.0.1", ours.getsockname()[1], patience=0)


@pytest.mark.parametrize(
    ("host", "reason"), [("192.0.2.1", "not an address of this machine"), ("no.such.host.invalid", "not a known name")]
)
def test_an_address_that_cannot_be_used_is_explained(host: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        listen(host, 0)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_all_addresses_of_ipv6_include_those_of_ipv4() -> None:
    with listen("::", 0) as ours:
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, ours.getsockname()[1]), timeout=5).close()


def test_one_server_at_a_time_has_a_home_and_port(tmp_path: Path) -> None:
    file = tmp_path / "run" / "server-5000.lock"
    with lock_server(file, 5000), pytest.raises(SettingsError, match="already uses this LOAN_HOME with port 5000"):
        lock_server(file, 5000)
    lock_server(file, 5000).close()


def test_a_worker_that_outlives_its_master_does_not_keep_the_lock(tmp_path: Path) -> None:
    """Close the inherited descriptor in the worker, so that only the master holds the lock."""
    file = tmp_path / "server.lock"
    lock = lock_server(file, 5000)
    child = os.fork()
    if child == 0:
        lock.close()
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(SettingsError):
        lock_server(file, 5000)
    lock.close()
    lock_server(file, 5000).close()
