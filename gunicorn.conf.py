"""The configuration of gunicorn. It imports little, because workers patch the standard library after the fork.

A reload (SIGHUP) executes this file again, so what must survive a reload is an attribute of the server.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from loan_api.adapters.ipc.handover import Handover
from loan_api.adapters.metrics.slots import (
    FOLDER_VARIABLE,
    forget_live_values,
    leave_slot,
    lowest_free_slot,
    reset_folder,
    take_slot,
)
from loan_api.entrypoints.server.accept_turns import ConnectionCounts
from loan_api.entrypoints.server.listening import address_text, lock_server
from loan_api.logs import logging_config
from loan_api.settings import SettingsError, read_settings

_settings = read_settings()
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # gunicorn creates unguessable files there

# `serve` overrides it with the descriptor of a socket that already listens.
bind = address_text(_settings.host, _settings.port)
workers = _settings.web_concurrency
worker_class = "loan_api.entrypoints.server.worker.LoanWorker"
# The longest silence of a worker's heartbeat, not a limit on requests.
timeout = 60
graceful_timeout = 30
keepalive = 75
# Heartbeats are file system operations; on a slow disk they would stall the worker.
worker_tmp_dir = str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
# The control socket needs a writable home directory, which containers lack; signals do everything it does.
control_socket_disable = True
# By default any client on 127.0.0.1, such as a proxy, may set another path with the headers SCRIPT_NAME and PATH_INFO.
forwarder_headers = ""
logger_class = "loan_api.entrypoints.server.server_log.ServerLog"
logconfig_dict = logging_config(_settings.log_level)

# prometheus_client reads it when a worker imports it.
_metrics_folder = _settings.home.metrics(_settings.port)
os.environ[FOLDER_VARIABLE] = str(_metrics_folder)
# The default depends on the form, whose file may change while the server runs.
os.environ["MODEL_NAME"] = _settings.model_name


def on_starting(server: Any) -> None:
    """Refuse to start while another server uses the same LOAN_HOME and port, before anything shared changes."""
    try:
        server.lock = lock_server(_settings.home.server_lock(_settings.port), _settings.port)
    except SettingsError as error:
        server.log.error(str(error))  # noqa: TRY400  # the text says it all
        sys.exit(1)


def when_ready(server: Any) -> None:
    """Reset counters and kept files, now that the address is ours. They last as long as the server."""
    kept_keys, kept_policy = _settings.home.kept_keys(_settings.port), _settings.home.kept_policy(_settings.port)
    reset_folder(_metrics_folder)
    for kept in (kept_keys, kept_policy):
        kept.unlink(missing_ok=True)
    form = _settings.features_path.read_text(encoding="utf-8-sig")
    server.handover = Handover.create(form, kept_keys, kept_policy)
    server.connections = ConnectionCounts()


def pre_fork(server: Any, worker: Any) -> None:
    """Assign a free slot to the worker."""
    worker.slot = lowest_free_slot(living.slot for living in server.WORKERS.values())


def post_fork(server: Any, worker: Any) -> None:
    """Pass the handover to the worker, and close the descriptors that only the master may hold."""
    server.lock.close()
    os.close(server.handover.lifeline.sending)
    os.environ.update(replace(server.handover, slot=worker.slot).as_environ())
    take_slot(_metrics_folder, worker.slot, os.getpid())
    worker.connections = server.connections


def post_worker_init(worker: Any) -> None:
    """Ignore Ctrl-C, which a terminal sends to every process: the master handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def child_exit(server: Any, worker: Any) -> None:
    """Free the slot of a dead worker and remove its live gauges."""
    forget_live_values(_metrics_folder, worker.slot)
    leave_slot(_metrics_folder, worker.slot)
    server.connections.leave(worker.slot)
