"""The OpenAPI document at `/openapi.json` and Swagger UI at `/docs`, its assets served from here."""

import inspect
from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Flask, Response, send_from_directory
from flask_smorest import Api

from loan_api.entrypoints.http.access import KEY_HEADER
from loan_api.entrypoints.http.blueprint import BEARER, HEADER, REQUEST_ID
from loan_api.entrypoints.http.described import DescribingPlugin
from loan_api.entrypoints.http.enumerations import ENUMERATIONS
from loan_api.entrypoints.http.schemas import ProblemSchema

# Of the API, not of the model: it changes when the contract with clients does.
_VERSION = "1.0.0"
_ASSETS_URL = "/docs/assets/"
_ICON = "favicon-32x32.png"
_KEPT_SECONDS = 86_400
_ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"

_DESCRIPTION = """\
Decides loan applications with the model that is in production.

- `POST /predict` decides one application, `POST /predict/batch` many with the same model version.
- Amounts are in rupees, terms in years. `probability` is P(approved).
- Errors are problem details (RFC 9457); a 422 lists every refused field.
- Where API keys are configured, send one as `Authorization: Bearer KEY` or `X-API-Key: KEY`. `x-required-scope` names
  the scope that an operation needs; `admin` includes the others.
- Send `X-Request-ID` to find a request in the log; it is returned, and made where it is missing.
"""

_KEY = "An API key of this service."


def document_api(app: Flask) -> Api:
    """Sets the document up; blueprints registered on the returned Api appear in it."""
    app.config.update(
        API_TITLE="Loan decision API",
        API_VERSION=_VERSION,
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        OPENAPI_SWAGGER_UI_PATH="/docs",
        OPENAPI_SWAGGER_UI_URL=_ASSETS_URL,
        OPENAPI_SWAGGER_UI_CONFIG={"deepLinking": True, "tryItOutEnabled": True, "displayRequestDuration": True},
        API_SPEC_OPTIONS={"info": {"description": _DESCRIPTION}},
    )
    api = _ProblemApi(app, spec_kwargs={"marshmallow_plugin": DescribingPlugin()})
    api.spec.components.security_scheme("metricsBasicAuth", {"type": "http", "scheme": "basic"})
    api.spec.components.security_scheme(BEARER, {"type": "http", "scheme": "bearer", "description": _KEY})
    api.spec.components.security_scheme(
        HEADER, {"type": "apiKey", "in": "header", "name": KEY_HEADER, "description": _KEY}
    )
    api.spec.components.header(
        REQUEST_ID,
        {
            "description": "Names the request in the log: the one that was sent, or a new one.",
            "schema": {"type": "string"},
        },
    )
    for enumeration in ENUMERATIONS:
        api.spec.components.schema(enumeration.name, enumeration.schema)
    app.register_blueprint(_swagger_ui_assets())
    return api


def route_to_views(app: Flask) -> None:
    """Makes requests go straight to the views: what was put around them has told the document all it knows.

    To be called once every blueprint is registered. Views answer with what Flask takes: the wrappers would only look at
    each answer again, and take longer than scoring does.
    """
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = inspect.unwrap(view)


class _ProblemApi(Api):
    """An Api that leaves errors to `loan_api.entrypoints.http.problems`."""

    DEFAULT_ERROR_RESPONSE_NAME = None
    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Not needed: they are registered on the app."""

    def _register_pagination_header(self) -> None:
        """Not needed: nothing is paged, and clients would get a class that nothing uses."""


def _swagger_ui_assets() -> Blueprint:
    blueprint = Blueprint("swagger-ui-assets", __name__)

    @blueprint.route(f"{_ASSETS_URL}<path:name>")
    def asset(name: str) -> Response:
        return send_from_directory(_ASSETS, name, max_age=_KEPT_SECONDS)

    # Asked for by every browser, wherever the page's own icon lies.
    @blueprint.route("/favicon.ico")
    def icon() -> Response:
        return send_from_directory(_ASSETS, _ICON, max_age=_KEPT_SECONDS)

    return blueprint
