"""The response to malformed requests, which never reach a view. It neither returns nor logs their content.

gunicorn's usual response and log quote the request. The master imports this module, so it depends only on the standard
library, gunicorn, and modules of the service that import nothing else.
"""

import json
import uuid
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, ParseException, UnsupportedTransferCoding

from loan_api.logs import error_location

_STATUS = {
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}


def response_to(error: BaseException, log: Any) -> bytes:
    """Return the last response on a connection, and log a line without the request to gunicorn's `log`."""
    request_id = str(uuid.uuid4())
    location = error_location(error)
    if isinstance(error, ParseException):
        status = _STATUS.get(type(error), HTTPStatus.BAD_REQUEST)
        log.warning(
            "malformed request", extra={"request_id": request_id, "error": location["error"], "status": status.value}
        )
        return _problem(status, "The request is not valid HTTP.", request_id)
    log.error("unexpected error", extra={"request_id": request_id, **location})
    detail = "Unexpected error. Use the request_id to find it in the service's log."
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
