"""Log lines as JSON, one form for the service and for gunicorn."""

from typing import Any

_FIELDS = ("levelname", "name", "message", "process")


def logging_config(level: str) -> dict[str, Any]:
    """A configuration for `logging.config.dictConfig`: every line one JSON object on standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
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
