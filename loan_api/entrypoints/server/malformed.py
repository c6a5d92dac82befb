"""The answer to what is not HTTP, which no view ever sees. Nothing that was sent comes back, and none of it is logged.

gunicorn's own answer quotes the request, and so does its log. It imports the standard library and gunicorn only, as the
master imports it.
"""

import json
import traceback
import uuid
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, ParseException, UnsupportedTransferCoding

_STATUS = {
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}


def answer_to(error: BaseException, log: Any) -> bytes:
    """What to send before the connection is closed; `log`, gunicorn's, gets a line without the request."""
    request_id = str(uuid.uuid4())
    told = {"request_id": request_id, "error": f"{type(error).__module__}.{type(error).__qualname__}"}
    if isinstance(error, ParseException):
        status = _STATUS.get(type(error), HTTPStatus.BAD_REQUEST)
        log.warning("malformed request", extra=told | {"status": status.value})
        return _problem(status, "This is not an HTTP request that can be read.", request_id)
    frames = traceback.extract_tb(error.__traceback__)
    stack = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    log.error("unexpected error", extra=told | {"stack": stack})
    detail = "Something went wrong on our side. The request_id finds it in our log."
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, request_id)


def _problem(status: HTTPStatus, detail: str, request_id: str) -> bytes:
    members = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    body = json.dumps(members | {"request_id": request_id}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
        f"X-Request-ID: {request_id}",
    )
    return "\r\n".join((*head, "", "")).encode() + body
