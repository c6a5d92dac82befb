"""The OpenAPI document at `/openapi.json`, and Swagger UI at `/docs` with its assets.

Every URL in the page, the redirects and the document is relative. They therefore work behind a proxy that adds a path
prefix or terminates TLS, without trusting any header about it.
"""

import inspect
import json
from pathlib import Path
from typing import Any

import flask_swagger_ui
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Blueprint, Flask, Response, redirect, send_from_directory
from flask_smorest import Api
from marshmallow import Schema
from werkzeug.wrappers import Response as Redirect

from loan_api.credit.form import Form
from loan_api.entrypoints.http.access import KEY_HEADER
from loan_api.entrypoints.http.blueprint import BEARER, HEADER, REQUEST_ID, unwrapped
from loan_api.entrypoints.http.enumerations import ENUMERATIONS
from loan_api.entrypoints.http.schemas import ProblemSchema
from loan_api.formats.enumerations import category_enumerations

# The version of the API, not of the model. It changes when the contract with clients does.
_VERSION = "1.0.0"
_TITLE = "Loan decision API"
_ICON = "favicon-32x32.png"
_CACHE_SECONDS = 86_400
_ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"

_DESCRIPTION = f"""\
Real-time loan decisions, and an audit trail of every decision made.

**Quick start.** Send an application to `POST /predict`. The example in its request body is valid: open the operation
and press *Execute*.

**Conventions**

- Each feature of an application documents its unit. Times are RFC 3339, in UTC.
- `probability` is the probability of approval. `prediction` is 1 if it reaches the model's threshold, otherwise 0.
- Errors are problem details (RFC 9457). A 422 lists all invalid fields at once.
- A 503 includes `Retry-After`.

**Authentication.** Once API keys are configured, send yours as `Authorization: Bearer KEY` or `{KEY_HEADER}: KEY`. Each
operation names the scope that it requires in `x-required-scope`; `admin` includes all others.

**Tracing.** Every response has an `X-Request-ID`, which also appears in the service's log. Send your own to correlate
requests with your system.
"""

_SWAGGER_UI_OPTIONS = {
    "url": "openapi.json",
    "dom_id": "#swagger-ui",
    "deepLinking": True,
    "tryItOutEnabled": True,
    "displayRequestDuration": True,
}
_PAGE = f"""\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{_TITLE}</title>
  <link rel="icon" href="docs/assets/{_ICON}">
  <link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="docs/assets/swagger-ui-bundle.js"></script>
  <script>window.ui = SwaggerUIBundle({json.dumps(_SWAGGER_UI_OPTIONS)})</script>
</body>
</html>
"""


def document_api(app: Flask, form: Form) -> Api:
    """Serve the document and Swagger UI. Blueprints registered on the returned Api appear in the document."""
    app.config.update(
        API_TITLE=_TITLE,
        API_VERSION=_VERSION,
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": unwrapped(_DESCRIPTION)},
            "servers": [{"url": "./", "description": "This service"}],
        },
    )
    api = _ProblemApi(app, spec_kwargs={"marshmallow_plugin": _DescribingPlugin()})
    components = api.spec.components
    components.security_scheme(
        "metricsBasicAuth",
        {
            "type": "http",
            "scheme": "basic",
            "description": "For `/metrics` only: `METRICS_USERNAME` and the password in `METRICS_PASSWORD_FILE`.",
        },
    )
    components.security_scheme(
        BEARER, {"type": "http", "scheme": "bearer", "description": "Your API key as a bearer token."}
    )
    components.security_scheme(
        HEADER,
        {
            "type": "apiKey",
            "in": "header",
            "name": KEY_HEADER,
            "description": "Your API key in a header of its own. It takes precedence over a bearer token.",
        },
    )
    components.header(
        REQUEST_ID,
        {
            "description": "Identifies the request in the log. Your own `X-Request-ID` if you sent one.",
            "schema": {"type": "string"},
        },
    )
    for enumeration in (*ENUMERATIONS, *category_enumerations(form).values()):
        components.schema(enumeration.name, enumeration.schema)
    app.register_blueprint(_swagger_ui())
    return api


def bypass_documentation_wrappers(app: Flask) -> None:
    """Route requests directly to the views. Call this after all blueprints are registered.

    The decorators exist for the document. Left in place, they would inspect every response, which takes longer than
    scoring.
    """
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = inspect.unwrap(view)


class _ProblemApi(Api):
    """An Api that leaves errors to `loan_api.entrypoints.http.problems`."""

    DEFAULT_ERROR_RESPONSE_NAME = None
    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Do nothing: the handlers are registered on the app."""

    def _register_pagination_header(self) -> None:
        """Do nothing: flask-smorest's pagination is unused, and generators would emit a class for its header."""


class _DescribingConverter(OpenAPIConverter):
    """A converter that describes each component by the docstring of its schema class.

    apispec's own way, a description in `Meta`, makes it drop `additionalProperties: false`.
    """

    def schema2jsonschema(self, schema: Schema) -> dict[str, Any]:
        """Return the component for a schema."""
        converted: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        return {"description": unwrapped(inspect.getdoc(type(schema)) or ""), **converted}


class _DescribingPlugin(MarshmallowPlugin):
    Converter = _DescribingConverter


def _swagger_ui() -> Blueprint:
    blueprint = Blueprint("swagger-ui", __name__)

    @blueprint.route("/docs")
    def page() -> Response:
        return Response(_PAGE, content_type="text/html; charset=utf-8")

    @blueprint.route("/docs/")
    def page_with_slash() -> Redirect:
        return redirect("../docs")

    @blueprint.route("/docs/assets/<path:name>")
    def asset(name: str) -> Response:
        return send_from_directory(_ASSETS, name, max_age=_CACHE_SECONDS)

    # Browsers request it for every other page, such as the JSON of /health.
    @blueprint.route("/favicon.ico")
    def icon() -> Response:
        return send_from_directory(_ASSETS, _ICON, max_age=_CACHE_SECONDS)

    return blueprint
