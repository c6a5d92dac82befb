"""gunicorn's configuration. It imports no more than it must: workers patch the standard library after the fork."""

import os
import signal
from pathlib import Path
from time import monotonic
from typing import Any

from loan_api.adapters.ipc.connection_queue import BATCHES, RECORDER, ConnectionQueue
from loan_api.adapters.ipc.server_start import VARIABLE as START_VARIABLE
from loan_api.adapters.keys.kept import forget_kept_keys
from loan_api.adapters.metrics.slots import (
    FOLDER_VARIABLE,
    SLOT_VARIABLE,
    forget_live_values,
    leave_slot,
    lowest_free_slot,
    reset_folder,
    take_slot,
)
from loan_api.adapters.recording.lifetime import Lifeline
from loan_api.entrypoints.server.connections import Connections
from loan_api.logs import logging_config
from loan_api.settings import read_settings

_settings = read_settings()
_connections = Connections()
_lifeline = Lifeline.make()
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # gunicorn makes its own unguessable files there

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_concurrency
worker_class = "loan_api.entrypoints.server.worker.LoanWorker"
# The time that a worker's heartbeat may stay away, not a limit on requests.
timeout = 60
graceful_timeout = 30
keepalive = 75
# Heartbeats are file system operations; on a slow disk they would stall the worker.
worker_tmp_dir = str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
# It needs a writable home, which a container does not have; signals do all that is needed.
control_socket_disable = True
# By default whoever is on 127.0.0.1, such as a proxy that passes on what it gets, may name another path in the headers
# SCRIPT_NAME and PATH_INFO.
forwarder_headers = ""
logger_class = "loan_api.entrypoints.server.server_log.ServerLog"
logconfig_dict = logging_config(_settings.log_level)

# Chosen before any worker imports prometheus_client.
_metrics_folder = _settings.home.metrics(_settings.port)
os.environ[FOLDER_VARIABLE] = str(_metrics_folder)


def on_starting(server: Any) -> None:
    """Counters start anew with the server, not with each reload; the queues are one for all workers."""
    reset_folder(_metrics_folder)
    forget_kept_keys(_settings.home.kept_keys(_settings.port))
    os.environ[START_VARIABLE] = repr(monotonic())
    for queue in (BATCHES, RECORDER):
        ConnectionQueue.make().hand_on(queue)
    _lifeline.hand_on()


def pre_fork(server: Any, worker: Any) -> None:
    """Gives the worker a slot of its own."""
    worker.slot = lowest_free_slot(living.slot for living in server.WORKERS.values())


def post_fork(server: Any, worker: Any) -> None:
    """Tells the worker its slot; the master alone holds the lifeline."""
    _lifeline.let_go()
    os.environ[SLOT_VARIABLE] = str(worker.slot)
    take_slot(_metrics_folder, worker.slot, os.getpid())
    worker.connections = _connections


def post_worker_init(worker: Any) -> None:
    """Leaves Ctrl-C, which a terminal sends to every process, to the master."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def child_exit(server: Any, worker: Any) -> None:
    """Takes back what a dead worker said of the moment."""
    forget_live_values(_metrics_folder, worker.slot)
    leave_slot(_metrics_folder, worker.slot)
    _connections.leave(worker.slot)
