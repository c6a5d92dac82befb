"""The blueprint that all endpoints are registered on."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask_smorest import Blueprint

from loan_api.api.body import JsonBodyParser
from loan_api.api.problems import CONTENT_TYPE
from loan_api.api.schemas import ProblemSchema

View = Callable[..., Any]

_HEADERS: Mapping[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "How to authenticate."}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before the next try."}},
}


class LoanBlueprint(Blueprint):
    """A flask-smorest blueprint that reads bodies our way and knows problem details."""

    ARGUMENTS_PARSER = JsonBodyParser()

    def problems(self, *statuses: int) -> Callable[[View], View]:
        """Declares in the OpenAPI document that an operation may answer with these problems."""

        def decorate(view: View) -> View:
            for status in statuses:
                view = self.alt_response(
                    status,
                    schema=ProblemSchema,
                    content_type=CONTENT_TYPE,
                    description=HTTPStatus(status).phrase,
                    headers=_HEADERS.get(status),
                )(view)
            return view

        return decorate
