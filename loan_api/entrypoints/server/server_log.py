"""gunicorn's log without access lines; `loan_api.request` writes more informative ones."""

from typing import Any

from gunicorn.glogging import Logger


class ServerLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Skips formatting an access line for every request."""

    def access(self, *_: Any) -> None:
        """Write nothing."""
