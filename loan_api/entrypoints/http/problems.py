"""Error responses as problem details (RFC 9457), and the mapping from domain errors to HTTP statuses."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException

from loan_api.entrypoints.http.requests import note_api_key, route_of
from loan_api.errors import (
    AccessRefusedError,
    BatchTooLargeError,
    ClientGoneError,
    DatabaseBusyError,
    LoanError,
    ModelUnavailableError,
    NoModelError,
    NotAllowedError,
    NotAuthenticatedError,
    NotRecordedError,
    NotYetStoredError,
    ReasonsUnavailableError,
    ReviewConflictError,
    SaturatedError,
    SlowBodyError,
    StorageError,
    UnknownDecisionError,
    UnreadableRecordError,
)
from loan_api.formats.refusals import MalformedBodyError, RequestRefusedError
from loan_api.logs import error_location

CONTENT_TYPE = "application/problem+json"
_WITHOUT_MODEL = {"Retry-After": "10"}
_WITHOUT_DATABASE = {"Retry-After": "5"}
_SATURATED = {"Retry-After": "1"}
_AUTHENTICATE = {"WWW-Authenticate": 'Bearer realm="loan-api"'}
# Defined by nginx. Only a client that has closed no more than its sending side can receive it.
_CLIENT_GONE = 499
_TITLES = {_CLIENT_GONE: "Client Closed Request"}
_TYPES = "urn:loan-api:problem:"

# Status, problem type and headers. An error that is missing here is a bug.
_DOMAIN: Mapping[type[LoanError], tuple[HTTPStatus, str, Mapping[str, str]]] = {
    NoModelError: (HTTPStatus.SERVICE_UNAVAILABLE, "no-model", _WITHOUT_MODEL),
    NotRecordedError: (HTTPStatus.SERVICE_UNAVAILABLE, "not-recorded", _SATURATED),
    SaturatedError: (HTTPStatus.SERVICE_UNAVAILABLE, "saturated", _SATURATED),
    SlowBodyError: (HTTPStatus.REQUEST_TIMEOUT, "slow-body", {"Connection": "close"}),
    BatchTooLargeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "batch-too-large", {}),
    NotAuthenticatedError: (HTTPStatus.UNAUTHORIZED, "not-authenticated", _AUTHENTICATE),
    NotAllowedError: (HTTPStatus.FORBIDDEN, "not-allowed", {}),
    StorageError: (HTTPStatus.SERVICE_UNAVAILABLE, "database-away", _WITHOUT_DATABASE),
    DatabaseBusyError: (HTTPStatus.SERVICE_UNAVAILABLE, "database-away", _WITHOUT_DATABASE),
    NotYetStoredError: (HTTPStatus.SERVICE_UNAVAILABLE, "not-yet-stored", _WITHOUT_DATABASE),
    UnreadableRecordError: (HTTPStatus.INTERNAL_SERVER_ERROR, "unreadable-record", {}),
    UnknownDecisionError: (HTTPStatus.NOT_FOUND, "unknown-decision", {}),
    ReasonsUnavailableError: (HTTPStatus.CONFLICT, "reasons-unavailable", {}),
    ReviewConflictError: (HTTPStatus.CONFLICT, "review-conflict", {}),
    ModelUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "model-unavailable", _WITHOUT_MODEL),
}

_log = logging.getLogger(__name__)


def problem(
    status: int,
    detail: str,
    *,
    kind: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """Create a problem response. `kind` is one of our problem types; without one, the status is the type."""
    body = {
        "type": f"{_TYPES}{kind}" if kind else "about:blank",
        "title": _TITLES.get(status) or HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "request_id": g.get("request_id", ""),
        **members,
    }
    return Response(json.dumps(body), int(status), dict(headers or {}), content_type=CONTENT_TYPE)


def register_problem_handlers(app: Flask) -> None:
    """Turn every error that a view raises into a problem response."""
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(RequestRefusedError, _refused_problem)
    app.register_error_handler(MalformedBodyError, _malformed_problem)
    app.register_error_handler(ClientGoneError, _gone_problem)
    app.register_error_handler(AccessRefusedError, _access_problem)
    app.register_error_handler(LoanError, _domain_problem)
    app.register_error_handler(Exception, _unexpected_problem)


def _http_problem(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or 500)
    # Keep Allow, WWW-Authenticate and Retry-After, but not the content type of werkzeug's HTML page.
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return problem(status, error.description or status.description, headers=headers)


def _refused_problem(error: RequestRefusedError) -> Response:
    refusals = error.refusals
    g.refused = refusals.counts
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, refusals.detail, kind="invalid-request", errors=list(refusals.shown)
    )


def _gone_problem(_: ClientGoneError) -> Response:
    return problem(_CLIENT_GONE, "The client closed the connection before the batch was decided.")


def _malformed_problem(error: MalformedBodyError) -> Response:
    return problem(HTTPStatus.BAD_REQUEST, str(error))


def _domain_problem(error: LoanError) -> Response:
    foreseen = foreseen_answer(error)
    if foreseen is None:
        return _unexpected_problem(error)
    status, kind, headers = foreseen
    return problem(status, str(error), kind=kind, headers=headers)


def foreseen_answer(error: LoanError) -> tuple[HTTPStatus, str, Mapping[str, str]] | None:
    """Return status, problem type and headers for an error; None if it is a bug."""
    return _DOMAIN.get(type(error))


def _access_problem(error: AccessRefusedError) -> Response:
    log_refusal(error)
    return _domain_problem(error)


def log_refusal(error: AccessRefusedError) -> None:
    """Log the reason in full: clients cannot tell an unknown key from a missing one."""
    key = {} if error.key_name is None else {"api_key": error.key_name}
    note_api_key(error.key_name)
    _log.warning(
        "access refused",
        extra={
            "request_id": g.get("request_id", ""),
            "route": route_of(request),
            "reason": error.reason,
            **key,
        },
    )


def _unexpected_problem(error: Exception) -> Response:
    """Tell the client only how to find an unexpected error in the log."""
    log_unexpected(error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "Unexpected error. Use the request_id to find it in the service's log."
    )


def log_unexpected(error: Exception) -> None:
    """Log the location of an unexpected error, without its message."""
    _log.error(
        "unexpected error",
        extra={"request_id": g.get("request_id", ""), "route": route_of(request), **error_location(error)},
    )
