"""The recorder: the process that writes the decision log for all workers. One of them starts it.

It outlives the worker that started it, and ends after the master, once no worker is left.
"""

import logging.config
import signal
import socket
import sys

from loan_api.adapters.ipc.handover import Handover
from loan_api.adapters.recording.database_fallback import Recorder
from loan_api.adapters.recording.journal import abandoned_journals, free_journal
from loan_api.adapters.recording.lifetime import RecorderLock
from loan_api.adapters.recording.server import RecorderServer
from loan_api.logs import logging_config
from loan_api.settings import Settings, read_settings


def main() -> None:
    """Record until master and workers are gone; return immediately if another recorder is running."""
    handover = Handover.read()
    if handover is None:
        sys.exit("This process is started by a worker of the service.")
    settings = read_settings()
    with RecorderLock(settings.home.recorder_lock(handover.server_start)).held() as is_recorder:
        if is_recorder:
            _record(settings, socket.socket(fileno=handover.recorder_queue.receiving), handover.lifeline.receiving)


def _record(settings: Settings, queue: socket.socket, lifeline: int) -> None:
    # The recorder ends by itself, when there is nothing left to record.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.config.dictConfig(logging_config(settings.log_level))
    # Imports SQLAlchemy.
    from loan_api.adapters.storage.checkpoints import keep_checkpointing
    from loan_api.adapters.storage.decision_writer import DecisionWriter
    from loan_api.adapters.storage.migration import upgrade_database

    folder, capacity = settings.home.journals, settings.decision_journal_bytes
    journal = free_journal(folder, capacity)
    url = settings.database_url
    # A database that was unavailable at startup, or restored from an older copy, may need a migration.
    drainer = DecisionWriter(url, lambda: upgrade_database(url, may_create=False))
    recorder = Recorder(DecisionWriter(url), drainer, journal, lambda: abandoned_journals(folder, capacity))
    recorder.start()
    keep_checkpointing(url)
    RecorderServer(queue, lifeline, recorder.record).serve()
    if recorder.is_drained:
        journal.close()


if __name__ == "__main__":
    main()
