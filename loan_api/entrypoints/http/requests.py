"""Request ids, request logging and HTTP metrics."""

import logging
import re
from collections.abc import Iterator, Mapping
from string import printable
from time import perf_counter
from typing import Any, Protocol
from urllib.parse import quote_from_bytes

import uuid_utils
from flask import Flask, Request, Response, g, request

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID_VARIABLE = "HTTP_X_REQUEST_ID"
_UNMATCHED_ROUTE = "unmatched"
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
_OTHER_METHOD = "other"
# A parameter of a route, with its converter if it has one: <decision_id>, <path:name>.
_PARAMETER = re.compile(r"<(?:[^:<>]*:)?([^<>]+)>")
# Probed every few seconds: logged at INFO, they would outnumber all other lines.
_PROBES = frozenset({"/health", "/health/live", "/health/ready"})
_DESK = "/desk"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = logging.getLogger("loan_api.request")


class HttpObserver(Protocol):
    """An observer of requests."""

    def request_started(self) -> None:
        """Count a request that is being handled."""

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a response with `status` after `seconds`."""

    def request_ended(self) -> None:
        """Count a request that is no longer being handled."""

    def field_refused(self, field: str, reason: str, times: int) -> None:
        """Count the refusals of `field` for `reason` in one request."""


def current_request() -> Request:
    """Return the request itself. Each access through Flask's proxy costs as much as updating a metric."""
    current: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    return current


def route_of(given: Request) -> str:
    """Return the pattern that the path matches. The path itself could contain anything."""
    return given.url_rule.rule if given.url_rule else _UNMATCHED_ROUTE


def foreseeable_answers(app: Flask, document: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield the method, route and status of every answer that the OpenAPI document describes.

    A route outside the document can succeed or fail; HEAD and OPTIONS are left out to keep the set small. So is the
    success of the desk's pages, whose durations alone would be as many series as all others.
    """
    for rule in app.url_map.iter_rules():
        operations = document["paths"].get(_PARAMETER.sub(r"{\1}", rule.rule), {})
        usual = () if rule.rule.startswith(_DESK) else ("200",)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            described = operations.get(method.lower(), {}).get("responses", usual)
            for status in sorted({int(status) for status in described} | {500}):
                yield method, rule.rule, status
    for method in (*sorted(_METHODS), _OTHER_METHOD):
        for status in (404, 405):
            yield method, _UNMATCHED_ROUTE, status


def note_api_key(name: str | None) -> None:
    """Add the name of the request's API key, if known, to its log line."""
    if name is not None:
        g.caller = {"api_key": name}


def observe_requests(app: Flask, observer: HttpObserver) -> None:
    """Give every request an id, a log line without applicant data, and metrics."""

    def start() -> None:
        current = current_request()
        if not current.query_string.isascii():
            # Clients should encode other characters. Reading these as they are would fail unless they are UTF-8.
            current.query_string = quote_from_bytes(current.query_string, safe=printable).encode()
        g.started = perf_counter()
        g.request_id = _request_id(current.environ.get(_REQUEST_ID_VARIABLE, ""))
        observer.request_started()

    def finish(response: Response) -> Response:
        current = current_request()
        noted = vars(g._get_current_object())  # noqa: SLF001
        seconds = perf_counter() - noted["started"]
        method = current.method if current.method in _METHODS else _OTHER_METHOD
        route = route_of(current)
        response.headers[REQUEST_ID_HEADER] = noted["request_id"]
        observer.request_answered(method, route, response.status_code, seconds)
        for (field, reason), times in noted.get("refused", {}).items():
            observer.field_refused(field, reason, times)
        _log.log(
            logging.DEBUG if route in _PROBES else logging.INFO,
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
