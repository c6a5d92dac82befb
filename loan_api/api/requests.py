"""What surrounds every request: its id, its log line, its metrics."""

import logging
import re
from time import perf_counter
from typing import Protocol

import uuid_utils
from flask import Flask, Response, g, request

REQUEST_ID_HEADER = "X-Request-ID"
UNMATCHED_ROUTE = "unmatched"
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
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


def observe_requests(app: Flask, observer: HttpObserver) -> None:
    """Gives every request an id, a log line and metrics. The log line never holds a value of an applicant."""

    def start() -> None:
        g.started = perf_counter()
        g.request_id = _request_id(request.headers.get(REQUEST_ID_HEADER, ""))
        observer.request_started()

    def finish(response: Response) -> Response:
        seconds = perf_counter() - g.started
        method = request.method if request.method in _METHODS else "other"
        route = request.url_rule.rule if request.url_rule else UNMATCHED_ROUTE
        response.headers[REQUEST_ID_HEADER] = g.request_id
        observer.request_answered(method, route, response.status_code, seconds)
        for (field, reason), times in g.get("refused", {}).items():
            observer.field_refused(field, reason, times)
        _log.info(
            "request",
            extra={
                "request_id": g.request_id,
                "method": method,
                "route": route,
                "status": response.status_code,
                "duration_ms": round(seconds * 1000, 3),
                **g.get("logged", {}),
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
