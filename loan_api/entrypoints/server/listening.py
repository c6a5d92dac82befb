"""The address of a server and its lock in LOAN_HOME, both taken before it touches anything shared.

Standard library and settings only: gunicorn's master imports this module.
"""

import errno
import fcntl
import os
import socket
import time
from pathlib import Path
from typing import IO

from loan_api.settings import SettingsError

# The workers of a killed server need a moment to notice; until then they hold its port.
_WAIT_FOR_PORT_SECONDS = 5.0
_RETRY_EVERY_SECONDS = 0.25
_BACKLOG = 2048


def address_text(host: str, port: int) -> str:
    """Return `host:port` as in a URL, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(host: str, port: int, patience: float = _WAIT_FOR_PORT_SECONDS) -> socket.socket:
    """Return a socket that listens at the address; `::` also accepts IPv4.

    Raises SettingsError if the port is still taken after `patience` seconds, or the address cannot be used.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return _bound(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise SettingsError(f"Cannot listen on {address_text(host, port)}: {_reason(error)}.") from error
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"Port {port} is already in use on {host}. Stop the program that uses it, or choose another port,"
                    f" for example with PORT={port - 1}."
                ) from error
        time.sleep(_RETRY_EVERY_SECONDS)


def lock_server(file: Path, port: int) -> IO[str]:
    """Return the locked file that marks the server of this port in this LOAN_HOME; closing it gives up the lock.

    Servers on two addresses with one port would share metrics and keys. Raises SettingsError if one is running.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = file.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SettingsError(
            f"Another service already uses this LOAN_HOME with port {port}."
            " Stop it, or choose another PORT or LOAN_HOME."
        ) from None
    return lock


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name such as localhost often has both families; clients that know only IPv4 must reach it.
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        # Only a listening socket keeps others from binding the port.
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "HOST is not a known name or address"
    if error.errno == errno.EADDRNOTAVAIL:
        return "HOST is not an address of this machine"
    return os.strerror(error.errno) if error.errno else type(error).__name__
