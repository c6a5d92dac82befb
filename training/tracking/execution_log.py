"""The execution log of a run: a file under LOAN_HOME/logs, copied to the run."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Maximum number of local logs. Their copies stay with the runs.
KEPT = 100
_LOGGERS = ("training", "mlflow")


@contextmanager
def execution_log(folder: Path, run_id: str) -> Iterator[Path]:
    """Write everything that training logs inside the block to the file that is yielded. Times are UTC.

    The oldest logs are deleted to make room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Names start with their time.
    for path in sorted(folder.glob("training-*.log"))[: 1 - KEPT]:
        path.unlink(missing_ok=True)
    path = folder / f"training-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{run_id[:8]}.log"
    handler = logging.FileHandler(path, encoding="utf-8")
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    loggers[0].setLevel(logging.INFO)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield path
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
