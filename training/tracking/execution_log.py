"""The execution log of a run: a file under LOAN_HOME/logs, and a copy on the run."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOGGERS = ("training", "mlflow")


@contextmanager
def execution_log(folder: Path, run_id: str) -> Iterator[Path]:
    """Everything that training logs inside the block goes to the file that is yielded. Times are UTC."""
    folder.mkdir(parents=True, exist_ok=True)
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
