"""The blueprint class that every endpoint is registered on."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema

from loan_api.entrypoints.http.problems import CONTENT_TYPE
from loan_api.entrypoints.http.requests import REQUEST_ID_HEADER
from loan_api.entrypoints.http.schemas import EXAMPLE_ID
from loan_api.services.access import OPEN_SCOPE, Scope

# Names of the security schemes for API keys. Clients may use either.
BEARER = "apiKeyBearer"
HEADER = "apiKeyHeader"
SCOPE_MEMBER = "x-required-scope"

View = Callable[..., Any]
Headers = Mapping[str, Any] | None

# Components are referenced by name because flask-smorest copies inline definitions with every decorator of a view.
REQUEST_ID = "RequestId"
PROBLEM = "Problem"
_COMMON_HEADERS = {REQUEST_ID_HEADER: REQUEST_ID}

_HEADERS: Mapping[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "The authentication scheme to use."}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before retrying."}},
}
_PROBLEMS: Mapping[int, str] = {
    400: "The body is malformed.",
    401: "The credentials are missing or invalid.",
    403: "The API key lacks the required scope.",
    404: "No such decision is recorded.",
    406: "The service cannot produce any format in `Accept`.",
    408: "The body did not arrive in time.",
    409: "The state of the decision does not permit this. `detail` says why.",
    413: "The body is too large or has too many items.",
    415: "The media type or encoding of the body is not supported.",
    422: "The request is invalid. `errors` lists all invalid fields.",
    500: "Unexpected error. Use `request_id` to find it in the service's log.",
    503: "Temporarily unavailable. Retry after the time in `Retry-After`.",
}


def unwrapped(text: str) -> str:
    """Join the lines of each paragraph and list item, because Swagger UI renders every newline as a line break."""
    return re.sub(r"(?<!\n)\n(?!\n|- )", " ", text.strip()).replace("  ", " ")


def _example(status: int) -> dict[str, Any] | None:
    """Return an example of a problem, or None for a 422, which the schema's own example shows."""
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return None
    texts = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": _PROBLEMS[status]}
    return {**texts, "request_id": EXAMPLE_ID}


class LoanBlueprint(Blueprint):
    """A flask-smorest blueprint that only documents request bodies, responses and problem details.

    `loan_api.formats` decodes bodies, and views return Flask responses: flask-smorest's own handling is too slow for
    the hot path.
    """

    def register_views_in_doc(self, *args: Any, **kwargs: Any) -> None:
        """Document the views, with summaries as headings (no full stop) and descriptions as flowing text."""
        for operations in self._docs.values():
            for name, operation in operations.items():
                if name != "parameters":
                    texts = operation["docstring"]
                    texts.update({key: unwrapped(text) for key, text in texts.items()})
                    texts["summary"] = texts["summary"].removesuffix(".")
        super().register_views_in_doc(*args, **kwargs)

    def response(self, status_code: int, schema: Any = None, *, headers: Headers = None, **kwargs: Any) -> Any:
        """Document the successful response, including the headers common to all responses."""
        return super().response(status_code, schema, headers={**_COMMON_HEADERS, **(headers or {})}, **kwargs)

    def alt_response(self, status_code: int, *, headers: Headers = None, **kwargs: Any) -> Any:
        """Document another response, including the headers common to all responses."""
        return super().alt_response(status_code, headers={**_COMMON_HEADERS, **(headers or {})}, **kwargs)

    def accepts(self, content: Mapping[str, Any]) -> Callable[[View], View]:
        """Document the request body: a schema for each media type."""
        bodies = {media_type: {"schema": schema} for media_type, schema in content.items()}
        document: Callable[[View], View] = self.doc(requestBody={"required": True, "content": bodies})
        return document

    def searches(self, schema: type[Schema]) -> Callable[[View], View]:
        """Document the query parameters."""
        parameters = [
            {
                "name": field.data_key or name,
                "in": "query",
                "required": False,
                # Some generators read the description only from the schema.
                "schema": field.metadata,
                "description": field.metadata["description"],
            }
            for name, field in schema().fields.items()
        ]
        document: Callable[[View], View] = self.doc(parameters=parameters)
        return document

    def needs(self, scope: Scope) -> Callable[[View], View]:
        """Document that an operation requires an API key with `scope`.

        Scoring requires none unless keys are configured, which OpenAPI expresses as an empty alternative.
        """
        security: list[dict[str, list[str]]] = [{BEARER: []}, {HEADER: []}]
        if scope == OPEN_SCOPE:
            security.append({})

        def decorate(view: View) -> View:
            documented: View = self.doc(security=security, **{SCOPE_MEMBER: scope})(view)
            return self.problems(401, 403)(documented)

        return decorate

    def problems(self, *statuses: int) -> Callable[[View], View]:
        """Document the problem details that an operation may respond with."""

        def decorate(view: View) -> View:
            for status in statuses:
                view = self.alt_response(
                    status,
                    schema=PROBLEM,
                    content_type=CONTENT_TYPE,
                    description=_PROBLEMS[status],
                    example=_example(status),
                    headers=_HEADERS.get(status),
                )(view)
            return view

        return decorate
