"""How a request's body becomes validated values, and what happens to one that does not."""

import json
from typing import Any, NoReturn

from flask import Request
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from loan_api.api.refusals import RequestRefusedError


class JsonBodyParser(FlaskParser):
    """Reads JSON bodies. Raises UnsupportedMediaType, BadRequest or RequestRefusedError."""

    def load_json(self, req: Request, schema: Schema) -> Any:  # noqa: ARG002  # webargs' signature
        """The body as plain values."""
        if not req.is_json:
            raise UnsupportedMediaType("The body must be JSON, sent as application/json.")
        body = req.get_data(cache=False)
        if req.content_length is None and len(body) == req.max_content_length:
            # Without a declared length, the stream ends at the limit as if the body did.
            raise RequestEntityTooLarge
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            # Not chained: the parser's message quotes the body.
            raise BadRequest("The body is not valid JSON.") from None

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> NoReturn:
        """Refuses the request with everything that is wrong with it."""
        messages = error.messages
        raise RequestRefusedError(messages["json"] if isinstance(messages, dict) else messages) from None
