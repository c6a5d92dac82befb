"""Write the decision log for all workers; one of them starts this process.

The recorder outlives the worker that started it, and ends after the master, once no worker is left.
"""

import logging.config
import signal
import socket
import sys
from pathlib import Path

from loan_api.adapters.ipc.handover import Handover
from loan_api.adapters.recording.journal import Journal, JournalInUseError
from loan_api.adapters.recording.lifetime import RecorderLock
from loan_api.adapters.recording.recorder import Recorder
from loan_api.adapters.recording.server import RecorderServer
from loan_api.logs import logging_config
from loan_api.settings import Settings, read_settings

_MOST_JOURNALS = 1000


def main() -> None:
    """Record until master and workers are gone; return at once if another process records already."""
    handover = Handover.read()
    if handover is None:
        sys.exit("This process is started by a worker of the service.")
    settings = read_settings()
    with RecorderLock(settings.home.recorder_lock(handover.server_start)).held() as is_recorder:
        if is_recorder:
            _record(settings, socket.socket(fileno=handover.recorder_queue.receiving), handover.lifeline.receiving)


def _record(settings: Settings, queue: socket.socket, lifeline: int) -> None:
    # It ends when there is nothing left to record.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.config.dictConfig(logging_config(settings.log_level))
    # Imports SQLAlchemy.
    from loan_api.adapters.storage.checkpoints import keep_checkpointing
    from loan_api.adapters.storage.decision_writer import DecisionWriter
    from loan_api.adapters.storage.migration import upgrade_database

    journal, left_over = _journals(settings.home.journals, settings.decision_journal_bytes)
    url = settings.database_url
    # A database that was away when the server started, or was put back from an older copy, may have to be migrated.
    drainer = DecisionWriter(url, lambda: upgrade_database(url, may_make=False))
    recorder = Recorder(DecisionWriter(url), drainer, journal, left_over)
    recorder.start()
    keep_checkpointing(url)
    RecorderServer(queue, lifeline, recorder.record).serve()
    if recorder.is_drained:
        journal.close()


def _journals(folder: Path, capacity: int) -> tuple[Journal, list[Journal]]:
    """A journal for this recorder, and those that others have left; servers that share a home have one each."""
    own: Journal | None = None
    left_over = []
    for number in range(_MOST_JOURNALS):
        path = folder / f"{number}.journal"
        if own is not None and not path.exists():
            break
        try:
            journal = Journal(path, capacity)
        except JournalInUseError:
            continue
        if own is None:
            own = journal
        elif journal.is_empty:
            journal.close()
        else:
            left_over.append(journal)
    if own is None:
        raise OSError(f"all of {_MOST_JOURNALS} journals in {folder} are in use")
    return own, left_over


if __name__ == "__main__":
    main()
