"""Authentication and authorization of requests by API key."""

from collections.abc import Mapping
from typing import Any

from loan_api.entrypoints.http.requests import current_request, note_api_key
from loan_api.services.access import Access, Scope

KEY_HEADER = "X-API-Key"
_KEY_VARIABLE = "HTTP_X_API_KEY"
_AUTHORIZATION_VARIABLE = "HTTP_AUTHORIZATION"


class Guard:
    """A check that views make first, before they read anything else from the request."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def require(self, scope: Scope) -> str | None:
        """Return the name of the request's API key, or None if scoring is open to everyone.

        Raises NotAuthenticatedError if the key is missing or unknown, and NotAllowedError if it lacks `scope`.
        """
        name = self._access.check(_presented_key(current_request().environ), scope)
        note_api_key(name)
        return name


def _presented_key(environ: Mapping[str, Any]) -> str | None:
    """Return the key in `X-API-Key`, otherwise the bearer token, which may be meant for a gateway."""
    key: str | None = environ.get(_KEY_VARIABLE)
    if key is None:
        scheme, _, key = environ.get(_AUTHORIZATION_VARIABLE, "").partition(" ")
        if scheme.lower() != "bearer":
            return None
    return key.strip()
