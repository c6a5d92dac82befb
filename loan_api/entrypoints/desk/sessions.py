"""Sign-ins to the desk: a signed cookie names an API key, which is checked again with every request.

The cookie does not hold the key, only its name and a fingerprint of the key and its scopes.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from flask import Flask, Request, current_app, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin

from loan_api.services.access import SCOPES, Access, ApiKey, Scope

LIFETIME = timedelta(hours=8)
_COOKIE = "loan_desk"
_PAGES = "/desk"
_NAME, _FINGERPRINT, _SINCE = "name", "fingerprint", "since"
_CSRF = "csrf_token"


class DeskSessions(SecureCookieSessionInterface):
    """Flask's signed cookies, for the desk only: other requests have no session."""

    digest_method = staticmethod(sha256)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of a request to the desk; None for any other."""
        return super().open_session(app, request) if request.path.startswith(_PAGES) else None

    def get_cookie_name(self, app: Flask) -> str:  # noqa: ARG002
        """Return the name of the cookie."""
        return _COOKIE

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002
        """Return no path, so that browsers limit the cookie to the folder of the sign-in page, prefix included."""
        return None  # type: ignore[return-value]

    def get_cookie_samesite(self, app: Flask) -> str | None:  # noqa: ARG002
        """Withhold the cookie from requests that other sites cause."""
        return "Strict"

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        """Limit the cookie to HTTPS if the request came over HTTPS, as far as gunicorn trusts the proxy about it."""
        return request.is_secure

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:  # noqa: ARG002
        """Set the cookie only on changes, which all happen on pages in the desk's folder."""
        return session.modified


@dataclass(frozen=True)
class Visitor:
    """The person who is signed in, as far as we know them: the name and scopes of their API key."""

    name: str
    scopes: tuple[Scope, ...]
    key: ApiKey

    def may(self, scope: Scope) -> bool:
        """Return whether the key grants `scope`."""
        return self.key.allows(scope)


class SignIns:
    """Starts, checks and ends sign-ins. Without a `secret` nobody can sign in."""

    def __init__(self, access: Access, secret: str | None, now: Callable[[], datetime]) -> None:
        self._access = access
        self._secret = secret
        self._now = now

    @property
    def obstacle(self) -> str | None:
        """The reason why nobody can sign in: `no_keys` or `no_secret`; None if keys are accepted."""
        if self._secret is None:
            return "no_secret"
        return None if self._access.is_configured else "no_keys"

    def begin(self, presented: str) -> Visitor:
        """Sign in with an API key. Raises NotAuthenticatedError if it is not in force."""
        key = self._access.identify(presented)
        # The token is new, so that nobody who knew the old one can act for the visitor.
        session.clear()
        session.update(
            {
                _NAME: key.name,
                _FINGERPRINT: self._fingerprint(key),
                _SINCE: int(self._now().timestamp()),
                _CSRF: secrets.token_hex(32),
            }
        )
        return _visitor(key)

    def visitor(self) -> Visitor | None:
        """Return who is signed in. A sign-in ends when its time is over, or when its key is revoked or changed."""
        name = session.get(_NAME)
        if name is None or self._secret is None:
            return None
        age = self._now().timestamp() - session[_SINCE]
        if not 0 <= age < LIFETIME.total_seconds():
            return None
        for key in self._access.in_force():
            if key.name == name and hmac.compare_digest(session[_FINGERPRINT], self._fingerprint(key)):
                return _visitor(key)
        return None

    @property
    def has_ended(self) -> bool:
        """True if an earlier sign-in has ended, so that the page can explain why a new one is needed."""
        return _NAME in session and self.visitor() is None

    def end(self) -> None:
        """Sign out."""
        session.clear()

    def _fingerprint(self, key: ApiKey) -> str:
        content = "\n".join((key.name, key.digest.hex(), *sorted(key.scopes)))
        return hmac.new(str(self._secret).encode(), content.encode(), sha256).hexdigest()


def _visitor(key: ApiKey) -> Visitor:
    return Visitor(key.name, tuple(scope for scope in SCOPES if key.allows(scope)), key)


# Flask-WTF is imported on use: most workers never serve a page.
def csrf_token() -> str:
    """Return the token that every form of the session must send."""
    from flask_wtf.csrf import generate_csrf

    token: str = generate_csrf()
    return token


def has_valid_token() -> bool:
    """Return whether the submitted form has the session's token, issued during a sign-in's lifetime."""
    from flask_wtf.csrf import validate_csrf
    from wtforms import ValidationError

    if not current_app.secret_key:
        return False
    try:
        validate_csrf(request.form.get(_CSRF), time_limit=int(LIFETIME.total_seconds()))
    except ValidationError:
        return False
    return True
