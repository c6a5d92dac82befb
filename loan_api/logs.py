"""Log lines of the service and of gunicorn: readable on a terminal, JSON otherwise."""

import logging
import sys
import traceback
from typing import Any

_FIELDS = ("levelname", "name", "message", "process")
_STANDARD = frozenset(vars(logging.makeLogRecord({})))


class TerminalFormatter(logging.Formatter):
    """Lines for people: time, level and message, then the fields that JSON lines also contain."""

    default_msec_format = None

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the line without the traceback."""
        extra = (
            f"{name}={value}"
            for name, value in vars(record).items()
            if name not in _STANDARD and name not in ("message", "asctime")
        )
        return "  ".join((super().formatMessage(record), *extra))


def omit_caller_and_thread() -> None:
    """Skip the lookup of caller and thread for each log record, as the `logging` documentation describes."""
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logMultiprocessing = False


def error_location(error: BaseException) -> dict[str, Any]:
    """Return the log fields `error` (its type) and `stack`. An exception's message may quote an applicant's data."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": f"{type(error).__module__}.{type(error).__qualname__}",
        "stack": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def logging_config(level: str, *, on_terminal: bool | None = None) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig` that writes to standard error."""
    if on_terminal is None:
        on_terminal = sys.stderr.isatty()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "terminal": {"()": "loan_api.logs.TerminalFormatter"},
            "json": {
                "()": "pythonjsonlogger.msgspec.MsgspecFormatter",
                "fmt": list(_FIELDS),
                "rename_fields": {"levelname": "level", "name": "logger"},
                "timestamp": True,
            },
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "terminal" if on_terminal else "json",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            # Replace gunicorn's own handlers, so that its lines look like ours.
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": True},
        },
    }
