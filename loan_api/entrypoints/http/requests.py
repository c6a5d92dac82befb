"""What surrounds every request: its id, its log line, its metrics."""

import logging
import re
from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any, Protocol

import uuid_utils
from flask import Flask, Request, Response, g, request

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID_VARIABLE = "HTTP_X_REQUEST_ID"
_UNMATCHED_ROUTE = "unmatched"
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
_OTHER_METHOD = "other"
# A parameter of a route, with its converter if it has one: <decision_id>, <path:name>.
_PARAMETER = re.compile(r"<(?:[^:<>]*:)?([^<>]+)>")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = logging.getLogger("loan_api.request")


class HttpObserver(Protocol):
    """Is told of every request."""

    def request_started(self) -> None:
        """A request is being handled."""

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered with `status` after `seconds`."""

    def request_ended(self) -> None:
        """A request is not being handled any more."""

    def field_refused(self, field: str, reason: str, times: int) -> None:
        """`field` was refused for `reason`, `times` times in one request."""


def current_request() -> Request:
    """The request itself: each look through Flask's proxy for it costs as much as counting does."""
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    return asked


def route_of(asked: Request) -> str:
    """The pattern that the path matches: a path itself may hold anything."""
    return asked.url_rule.rule if asked.url_rule else _UNMATCHED_ROUTE


def foreseeable_answers(app: Flask, document: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield the method, route and status of every answer that the OpenAPI document describes.

    A route outside the document can succeed or fail; HEAD and OPTIONS are left out to keep the set small.
    """
    for rule in app.url_map.iter_rules():
        operations = document["paths"].get(_PARAMETER.sub(r"{\1}", rule.rule), {})
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            described = operations.get(method.lower(), {}).get("responses", ("200",))
            for status in sorted({int(status) for status in described} | {500}):
                yield method, rule.rule, status
    for method in (*sorted(_METHODS), _OTHER_METHOD):
        for status in (404, 405):
            yield method, _UNMATCHED_ROUTE, status


def note_api_key(name: str | None) -> None:
    """Puts the name of the key that was presented, where it is a known one, into the request's log line."""
    if name is not None:
        g.caller = {"api_key": name}


def observe_requests(app: Flask, observer: HttpObserver) -> None:
    """Gives every request an id, a log line and metrics. The log line never holds a value of an applicant."""

    def start() -> None:
        g.started = perf_counter()
        g.request_id = _request_id(request.environ.get(_REQUEST_ID_VARIABLE, ""))
        observer.request_started()

    def finish(response: Response) -> Response:
        asked = current_request()
        noted = vars(g._get_current_object())  # noqa: SLF001
        seconds = perf_counter() - noted["started"]
        method = asked.method if asked.method in _METHODS else _OTHER_METHOD
        route = route_of(asked)
        response.headers[REQUEST_ID_HEADER] = noted["request_id"]
        observer.request_answered(method, route, response.status_code, seconds)
        for (field, reason), times in noted.get("refused", {}).items():
            observer.field_refused(field, reason, times)
        _log.info(
            "request",
            extra={
                "request_id": noted["request_id"],
                "method": method,
                "route": route,
                "status": response.status_code,
                "duration_ms": round(seconds * 1000, 3),
                **noted.get("caller", {}),
                **noted.get("logged", {}),
            },
        )
        return response

    def end(_: BaseException | None) -> None:
        observer.request_ended()

    app.before_request(start)
    app.after_request(finish)
    app.teardown_request(end)


def _request_id(given: str) -> str:
    return given if _SANE_REQUEST_ID.fullmatch(given) else str(uuid_utils.uuid7())
