"""Access control: API keys, their scopes, and the authorization of requests."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Literal, Protocol, get_args

from loan_api.errors import AccessRefusal, NotAllowedError, NotAuthenticatedError

Scope = Literal["score", "audit", "review", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
# Includes all other scopes.
_EVERYTHING: Scope = "admin"
# Requires no key until keys are configured.
OPEN_SCOPE: Scope = "score"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's name, scopes and SHA-256 digest. The key itself is not stored anywhere."""

    name: str
    scopes: tuple[Scope, ...]
    digest: bytes = field(repr=False)
    created_at: datetime

    def allows(self, scope: Scope) -> bool:
        """Return whether the key grants `scope`."""
        return scope in self.scopes or _EVERYTHING in self.scopes


def digest_of(key: str) -> bytes:
    """Return the digest to store for a key.

    A fast hash is safe because keys are 32 random bytes. Slow hashes protect passwords that people choose.
    """
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


class KeySource(Protocol):
    """A source of API keys."""

    def in_force(self) -> Sequence[ApiKey] | None:
        """Return the keys in force, or None if keys are not configured."""

    @property
    def problem(self) -> str | None:
        """The reason why the keys in force may be outdated, or None."""


class AccessObserver(Protocol):
    """An observer of refused requests."""

    def access_refused(self, reason: AccessRefusal) -> None:
        """Count a refusal for `reason`."""


class Access:
    """The authorization of requests. Until keys are configured, scoring is open and everything else is refused."""

    def __init__(self, keys: KeySource, observer: AccessObserver) -> None:
        self._keys = keys
        self._observer = observer

    def check(self, presented: str | None, scope: Scope) -> str | None:
        """Return the name of the presented key, or None if scoring is open to everyone.

        Raises NotAuthenticatedError if the key is missing or unknown, and NotAllowedError if it lacks the scope or if
        no keys are configured.
        """
        keys = self._keys.in_force()
        if keys is None:
            if scope == OPEN_SCOPE:
                return None
            raise self._not_allowed(
                f"This requires an API key with the scope {scope}, but API_KEYS_FILE is not set, so there are none.",
                "not_configured",
            )
        if not presented:
            raise self._not_authenticated("missing_key")
        key = _find(keys, digest_of(presented))
        if key is None:
            raise self._not_authenticated("unknown_key")
        if not key.allows(scope):
            raise self._not_allowed(f"This requires an API key with the scope {scope}.", "missing_scope", key.name)
        return key.name

    def in_force(self) -> Sequence[ApiKey]:
        """Return the keys in force."""
        return self._keys.in_force() or ()

    @property
    def is_configured(self) -> bool:
        """True if there is a file of keys."""
        return self._keys.in_force() is not None

    def identify(self, presented: str) -> ApiKey:
        """Return the presented key, whatever its scopes. Raises NotAuthenticatedError if it is missing or unknown."""
        if not presented:
            raise self._not_authenticated("missing_key")
        key = _find(self.in_force(), digest_of(presented))
        if key is None:
            raise self._not_authenticated("unknown_key")
        return key

    def _not_authenticated(self, reason: AccessRefusal) -> NotAuthenticatedError:
        self._observer.access_refused(reason)
        return NotAuthenticatedError("This requires a valid API key.", reason)

    def _not_allowed(self, text: str, reason: AccessRefusal, key_name: str | None = None) -> NotAllowedError:
        self._observer.access_refused(reason)
        return NotAllowedError(text, reason, key_name)


def _find(keys: Sequence[ApiKey], digest: bytes) -> ApiKey | None:
    """Return the key with this digest, in time that does not depend on its position."""
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found
