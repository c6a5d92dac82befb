"""The guard before a view: which API key was presented, and whether it allows what the view does."""

from collections.abc import Mapping
from typing import Any

from loan_api.entrypoints.http.requests import current_request, note_api_key
from loan_api.services.access import Access, Scope

KEY_HEADER = "X-API-Key"
_KEY_VARIABLE = "HTTP_X_API_KEY"
_AUTHORIZATION_VARIABLE = "HTTP_AUTHORIZATION"


class Guard:
    """What a view asks first, before it reads anything that the client sent."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def require(self, scope: Scope) -> str | None:
        """The name of the request's API key, which allows `scope`; None where no key is needed.

        Raises NotAuthenticatedError or NotAllowedError.
        """
        name = self._access.check(_presented_key(current_request().environ), scope)
        note_api_key(name)
        return name


def _presented_key(environ: Mapping[str, Any]) -> str | None:
    """The key of `X-API-Key`, else of `Authorization: Bearer`, which may be meant for a gateway in between."""
    key: str | None = environ.get(_KEY_VARIABLE)
    if key is None:
        scheme, _, key = environ.get(_AUTHORIZATION_VARIABLE, "").partition(" ")
        if scheme.lower() != "bearer":
            return None
    return key.strip()
