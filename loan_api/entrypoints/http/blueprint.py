"""The blueprint that all endpoints are registered on."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema

from loan_api.entrypoints.http.problems import CONTENT_TYPE
from loan_api.entrypoints.http.requests import REQUEST_ID_HEADER
from loan_api.services.access import OPEN_SCOPE, Scope

# The names of the security schemes for API keys; a client may present its key in either way.
BEARER = "apiKeyBearer"
HEADER = "apiKeyHeader"
SCOPE_MEMBER = "x-required-scope"

View = Callable[..., Any]
Headers = Mapping[str, Any] | None

# Of the components that describe the header, and every problem. Named rather than given, as flask-smorest copies what
# it is given with each of the decorators around a view.
REQUEST_ID = "RequestId"
PROBLEM = "Problem"
_EVERYWHERE = {REQUEST_ID_HEADER: REQUEST_ID}

_HEADERS: Mapping[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "How to authenticate."}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before the next try."}},
}


class LoanBlueprint(Blueprint):
    """A flask-smorest blueprint that documents bodies and problem details without handling them.

    `loan_api.formats` decodes bodies, and views return what Flask accepts: flask-smorest's own handling is too slow
    for the hot path.
    """

    def response(self, status_code: int, schema: Any = None, *, headers: Headers = None, **kwargs: Any) -> Any:
        """As in flask-smorest; documents the headers that every answer has, too."""
        return super().response(status_code, schema, headers={**_EVERYWHERE, **(headers or {})}, **kwargs)

    def alt_response(self, status_code: int, *, headers: Headers = None, **kwargs: Any) -> Any:
        """As in flask-smorest; documents the headers that every answer has, too."""
        return super().alt_response(status_code, headers={**_EVERYWHERE, **(headers or {})}, **kwargs)

    def accepts(self, content: Mapping[str, Any]) -> Callable[[View], View]:
        """Declares in the OpenAPI document the bodies that an operation takes: the schema of each media type."""
        bodies = {media_type: {"schema": schema} for media_type, schema in content.items()}

        def decorate(view: View) -> View:
            documented: View = self.doc(requestBody={"required": True, "content": bodies})(view)
            return documented

        return decorate

    def searches(self, schema: type[Schema]) -> Callable[[View], View]:
        """Declares in the OpenAPI document the query parameters of an operation."""
        parameters = [
            {
                "name": field.data_key or name,
                "in": "query",
                "required": False,
                # Described in both places: some generators look at the schema alone.
                "schema": field.metadata,
                "description": field.metadata["description"],
            }
            for name, field in schema().fields.items()
        ]

        def decorate(view: View) -> View:
            documented: View = self.doc(parameters=parameters)(view)
            return documented

        return decorate

    def needs(self, scope: Scope) -> Callable[[View], View]:
        """Declares in the OpenAPI document that an operation needs an API key with that scope.

        To score, no key is needed where none are configured, which the document says by an empty requirement.
        """
        security: list[dict[str, list[str]]] = [{BEARER: []}, {HEADER: []}]
        if scope == OPEN_SCOPE:
            security.append({})

        def decorate(view: View) -> View:
            documented: View = self.doc(security=security, **{SCOPE_MEMBER: scope})(view)
            return self.problems(401, 403)(documented)

        return decorate

    def problems(self, *statuses: int) -> Callable[[View], View]:
        """Declares in the OpenAPI document that an operation may answer with these problems."""

        def decorate(view: View) -> View:
            for status in statuses:
                view = self.alt_response(
                    status,
                    schema=PROBLEM,
                    content_type=CONTENT_TYPE,
                    description=HTTPStatus(status).phrase,
                    headers=_HEADERS.get(status),
                )(view)
            return view

        return decorate
