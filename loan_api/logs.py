"""Log lines as JSON, one form for the service and for gunicorn."""

import logging
import traceback
from typing import Any

_FIELDS = ("levelname", "name", "message", "process")


def leave_out_what_no_line_shows() -> None:
    """Spares every log record the search for its caller and thread, as the `logging` documentation describes."""
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logMultiprocessing = False


def error_location(error: BaseException) -> dict[str, Any]:
    """Return the log fields `error` (its type) and `stack`. An exception's message may quote an applicant's data."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": f"{type(error).__module__}.{type(error).__qualname__}",
        "stack": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def logging_config(level: str) -> dict[str, Any]:
    """A configuration for `logging.config.dictConfig`: every line one JSON object on standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.msgspec.MsgspecFormatter",
                "fmt": list(_FIELDS),
                "rename_fields": {"levelname": "level", "name": "logger"},
                "timestamp": True,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {
            # gunicorn brings handlers of its own; its lines are to look like ours.
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": True},
        },
    }
