"""The blueprint of all pages. Before a view runs, it checks sign-in, scope, size and CSRF token of the request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from loan_api.entrypoints.desk.assets import asset_link
from loan_api.entrypoints.desk.links import link, return_path
from loan_api.entrypoints.desk.sessions import SignIns, Visitor, csrf_token, has_valid_token
from loan_api.entrypoints.http.problems import foreseen_answer, log_refusal, log_unexpected
from loan_api.entrypoints.http.requests import note_api_key
from loan_api.errors import AccessRefusedError, LoanError, NotAllowedError
from loan_api.services.access import Scope

# Pages have no inline scripts or styles.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
# The largest form has a few hundred fields.
_MOST_BYTES = 2**16

View = Callable[..., Any]


@dataclass(frozen=True)
class Tab:
    """An entry of the navigation."""

    rule: str
    endpoint: str
    title: str
    scope: Scope


class DeskBlueprint(Blueprint):
    """Registers pages. A view without a declared scope cannot be reached."""

    def __init__(self, sign_ins: SignIns, title: str) -> None:
        super().__init__("desk", __name__, template_folder="templates")
        self._sign_ins = sign_ins
        self._title = title
        self._scopes: dict[str, Scope | None] = {}
        self._public: set[str] = set()
        self._tabs: list[Tab] = []
        self.before_request(self._check)
        self.after_request(_protect)
        self.context_processor(self._context)
        self.register_error_handler(LoanError, _domain_error)
        self.register_error_handler(HTTPException, _http_error)
        self.register_error_handler(Exception, _unexpected_error)

    def page(
        self, rule: str, scope: Scope | None = None, *, methods: tuple[str, ...] = ("GET",), tab: str | None = None
    ) -> Callable[[View], View]:
        """Register a view for visitors whose key grants `scope`; None admits everyone who is signed in.

        With `tab`, the page appears under this title in the navigation.
        """

        def register(view: View) -> View:
            self._scopes[view.__name__] = scope
            if tab is not None and scope is not None:
                self._tabs.append(Tab(rule, view.__name__, tab, scope))
            self.add_url_rule(rule, view.__name__, view, methods=methods)
            return view

        return register

    def public(self, rule: str, *, methods: tuple[str, ...] = ("GET",)) -> Callable[[View], View]:
        """Register a view for everyone."""

        def register(view: View) -> View:
            self._public.add(view.__name__)
            self.add_url_rule(rule, view.__name__, view, methods=methods)
            return view

        return register

    def first_page(self, visitor: Visitor) -> str | None:
        """Return the endpoint of the first page in the navigation that the visitor may see, or None."""
        return next((tab.endpoint for tab in self._tabs if visitor.may(tab.scope)), None)

    def _check(self) -> AnyResponse | None:
        request.max_content_length = _MOST_BYTES
        g.visitor = self._sign_ins.visitor()
        name = str(request.endpoint).removeprefix("desk.")
        if name not in self._public:
            if g.visitor is None:
                return _away_from_other_sites() or self._to_sign_in()
            note_api_key(g.visitor.name)
            scope = self._scopes[name]
            if scope is not None and not g.visitor.may(scope):
                raise NotAllowedError(
                    f"This page requires an API key with the scope {scope}.", "missing_scope", g.visitor.name
                )
        if request.method == "POST" and not has_valid_token():
            return _page("expired.html", HTTPStatus.BAD_REQUEST)
        return None

    def _to_sign_in(self) -> AnyResponse:
        values = {"next": return_path(), "ended": "1" if self._sign_ins.has_ended else ""}
        return redirect(link("sign_in", **{name: value for name, value in values.items() if value}), 303)

    def _context(self) -> dict[str, Any]:
        visitor = g.get("visitor")
        tabs = [tab for tab in self._tabs if visitor is not None and visitor.may(tab.scope)]
        return {
            "link": link,
            "asset": asset_link,
            "csrf_token": csrf_token,
            "visitor": visitor,
            "tabs": tabs,
            "current": next((tab for tab in tabs if request.path.startswith(tab.rule)), None),
            "form_title": self._title,
            "request_id": g.get("request_id", ""),
        }


def _away_from_other_sites() -> AnyResponse | None:
    """Return a page that reloads itself, for a visitor who follows a link on another site, such as webmail.

    Browsers withhold the cookie from the first request, so the visitor would have to sign in again.
    """
    if request.method != "GET" or request.headers.get("Sec-Fetch-Site") != "cross-site":
        return None
    return _page("again.html", HTTPStatus.OK)


def _protect(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    return response


def _page(template: str, status: int, headers: Mapping[str, str] | None = None, **values: Any) -> AnyResponse:
    response = make_response(render_template(template, status=int(status), **values), int(status))
    response.headers.extend(dict(headers or {}))
    return response


def _domain_error(error: LoanError) -> AnyResponse:
    if isinstance(error, AccessRefusedError):
        log_refusal(error)
    foreseen = foreseen_answer(error)
    if foreseen is None:
        return _unexpected_error(error)
    status, _, headers = foreseen
    return _page("error.html", status, headers, title=status.phrase, detail=str(error))


def _http_error(error: HTTPException) -> AnyResponse:
    status = HTTPStatus(error.code or 500)
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return _page("error.html", status, headers, title=status.phrase, detail=status.description)


def _unexpected_error(error: Exception) -> AnyResponse:
    log_unexpected(error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "Something went wrong in the service. Its log has the error under the request id below."
    return _page("error.html", status, title=status.phrase, detail=detail)
