"""`/metrics`, behind basic auth."""

import hmac
from collections.abc import Callable

from flask import Response, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from loan_api.entrypoints.http.blueprint import LoanBlueprint


def metrics_blueprint(expose: Callable[[], tuple[bytes, str]], username: str, password: str) -> LoanBlueprint:
    """The endpoint that Prometheus scrapes; `expose` gives its text and content type."""
    blueprint = LoanBlueprint("metrics", __name__, description="Metrics for Prometheus.")

    @blueprint.route("/metrics")
    @blueprint.doc(operationId="getMetrics", security=[{"metricsBasicAuth": []}])
    @blueprint.response(200, {"type": "string"}, content_type="text/plain", description="Prometheus text format.")
    @blueprint.problems(401, 500)
    def get_metrics() -> Response:
        """Expose the metrics of all workers."""
        _require(username, password)
        text, content_type = expose()
        return Response(text, content_type=content_type)

    return blueprint


def _require(username: str, password: str) -> None:
    """Raises Unauthorized unless the request carries these credentials; takes as long for a near miss as for a far."""
    try:
        given = request.authorization
    except ValueError:
        # werkzeug reads base64 that is none as nothing, but stumbles over what is not ASCII.
        given = None
    is_basic = given is not None and given.type == "basic"
    given_username = (given.username if is_basic and given is not None else None) or ""
    given_password = (given.password if is_basic and given is not None else None) or ""
    same_username = hmac.compare_digest(given_username.encode(), username.encode())
    same_password = hmac.compare_digest(given_password.encode(), password.encode())
    if not (same_username and same_password):
        raise Unauthorized(
            "Metrics need the user name and password of METRICS_USERNAME and METRICS_PASSWORD_FILE.",
            www_authenticate=WWWAuthenticate("basic", {"realm": "metrics"}),
        )
