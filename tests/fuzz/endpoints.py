"""Complete requests as bytes, sent through gunicorn's parser to the application with fake adapters."""

import atexit
import io
import json
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from typing import Any

from flask import Flask
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from werkzeug.test import run_wsgi_app

from loan_api.entrypoints.server.request_body import RequestBody
from loan_api.settings import read_settings
from tests.fuzz.seeds import CANARY, bodies, single_bodies
from tests.support.hostile_requests import NO_OPERATION, Documented, posted, request
from tests.support.services import client_of

_CLIENT = ("127.0.0.1", 50_000)
_SERVER = ("127.0.0.1", 5_000)


class UndocumentedError(Exception):
    """A response has a status that the OpenAPI document does not list for the request."""


class AnsweredValueError(Exception):
    """A response repeats a submitted value."""


def ask(content: bytes) -> None:
    """Process the requests in `content` as a worker does, and check every response."""
    app, documented = _service()
    parser = RequestParser(Config(), [content], _CLIENT)
    try:
        for message in parser:
            _look_at(message, app, documented)
            if message.should_close():
                return
            message.body.discard()
    except (NoMoreData, ParseException, StopIteration):
        # The client has disconnected, or gets an error without parsing (loan_api/entrypoints/server/malformed.py).
        return


def _look_at(message: Request, app: Flask, documented: Documented) -> None:
    message.body = RequestBody(message)
    _, environ = wsgi.create(message, _NoSocket(), _CLIENT, _SERVER, Config())
    # There is no connection that could be closed by a client.
    del environ["gunicorn.socket"]
    environ["wsgi.errors"] = io.StringIO()
    answer, status, headers = run_wsgi_app(app, environ, buffered=True)
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if int(status[:3]) not in documented.of(method, path) | NO_OPERATION:
        raise UndocumentedError(f"{method} {path} {status}")
    # A request id sent by the client is returned on purpose.
    if "HTTP_X_REQUEST_ID" not in environ and CANARY in _said(b"".join(answer), headers.get("Content-Type", "")):
        raise AnsweredValueError(f"{method} {path} {status}")


def _said(answer: bytes, media_type: str) -> str:
    """Return the response without the names of fields, as problems name unknown fields."""
    if media_type != "application/problem+json" or not answer:
        return answer.decode(errors="replace")
    problem = json.loads(answer)
    for error in problem.get("errors", ()):
        del error["pointer"]
    return json.dumps(problem)


def seeds() -> Sequence[bytes]:
    """Return a request for each operation, with a body if it accepts one."""
    _, documented = _service()
    asked = [request(method, path) for method in ("GET", "DELETE") for path in documented.paths]
    posts = [posted(path, body, method=method) for method, path in documented.with_body for body in single_bodies()]
    batches = [posted("/predict/batch", each, kind) for kind, some in bodies().items() for each in some]
    chunked = request(
        "POST", "/predict", b"2\r\n{}\r\n0\r\n\r\n", ["Content-Type: application/json", "Transfer-Encoding: chunked"]
    )
    return [*asked, *posts, *batches, chunked]


class _NoSocket:
    """Accept and drop interim responses, such as 100 Continue."""

    def send(self, _data: bytes) -> None:
        """Discard the data."""


@cache
def _service() -> tuple[Any, Documented]:
    home = tempfile.mkdtemp(prefix="fuzzed-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    client = client_of(read_settings({"LOAN_HOME": home}))
    return client.application, Documented(json.loads(client.get("/openapi.json").data))
