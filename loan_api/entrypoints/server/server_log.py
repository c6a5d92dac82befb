"""gunicorn's log, without a line for each request: `loan_api.request` writes that, and knows more."""

from typing import Any

from gunicorn.glogging import Logger


class ServerLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Spares every request the making of a line that nobody sees."""

    def access(self, *_: Any) -> None:
        """Nothing."""
