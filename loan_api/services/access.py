"""Who may do what: API keys, their scopes, and the check of a key that was presented."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Literal, Protocol, get_args

from loan_api.errors import AccessRefusal, NotAllowedError, NotAuthenticatedError

Scope = Literal["score", "audit", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
# Includes every other scope.
_EVERYTHING: Scope = "admin"
# Needs no key where none are configured.
OPEN_SCOPE: Scope = "score"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key by its name and the SHA-256 digest of its text; the text itself is kept nowhere."""

    name: str
    scopes: tuple[Scope, ...]
    digest: bytes = field(repr=False)
    created_at: datetime

    def allows(self, scope: Scope) -> bool:
        """Whether what needs `scope` may be done with this key."""
        return scope in self.scopes or _EVERYTHING in self.scopes


def digest_of(key: str) -> bytes:
    """What is kept of a key.

    A plain hash is enough: a key is 32 random bytes, which nobody can try out. Slow hashes are for what people choose.
    """
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


class KeySource(Protocol):
    """Where keys come from."""

    def in_force(self) -> Sequence[ApiKey] | None:
        """The keys that count now; None where keys are not configured at all."""

    @property
    def problem(self) -> str | None:
        """Why the keys in force may not be those that are wanted; None where they are."""


class AccessObserver(Protocol):
    """Is told of every refusal."""

    def access_refused(self, reason: AccessRefusal) -> None:
        """Something was refused for `reason`."""


class Access:
    """Decides by the keys in force. Without any configured, scoring is open and everything else is refused."""

    def __init__(self, keys: KeySource, observer: AccessObserver) -> None:
        self._keys = keys
        self._observer = observer

    def check(self, presented: str | None, scope: Scope) -> str | None:
        """The name of the presented key, which allows `scope`; None where no key is needed.

        Raises NotAuthenticatedError for a missing or unknown key, NotAllowedError for one without the scope, or where
        no keys are configured.
        """
        keys = self._keys.in_force()
        if keys is None:
            if scope == OPEN_SCOPE:
                return None
            raise self._not_allowed(
                f"This needs an API key with the scope {scope}, and none are configured: API_KEYS_FILE is not set.",
                "not_configured",
            )
        if not presented:
            raise self._not_authenticated("missing_key")
        key = _find(keys, digest_of(presented))
        if key is None:
            raise self._not_authenticated("unknown_key")
        if not key.allows(scope):
            raise self._not_allowed(f"This needs an API key with the scope {scope}.", "missing_scope", key.name)
        return key.name

    def in_force(self) -> Sequence[ApiKey]:
        """The keys in force."""
        return self._keys.in_force() or ()

    def _not_authenticated(self, reason: AccessRefusal) -> NotAuthenticatedError:
        self._observer.access_refused(reason)
        return NotAuthenticatedError("This needs a valid API key.", reason)

    def _not_allowed(self, text: str, reason: AccessRefusal, key_name: str | None = None) -> NotAllowedError:
        self._observer.access_refused(reason)
        return NotAllowedError(text, reason, key_name)


def _find(keys: Sequence[ApiKey], digest: bytes) -> ApiKey | None:
    """The key with that digest. It takes as long whether the key is the first, the last or none of them."""
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found
