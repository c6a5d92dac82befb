"""`/metrics`, behind basic auth."""

import hmac
from collections.abc import Callable

from flask import Response, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from loan_api.entrypoints.http.blueprint import LoanBlueprint


def metrics_blueprint(expose: Callable[[], tuple[bytes, str]], username: str, password: str) -> LoanBlueprint:
    """Create the endpoint that Prometheus scrapes. `expose` returns the text and its content type."""
    blueprint = LoanBlueprint("metrics", __name__, description="Scrape metrics into Prometheus.")

    @blueprint.route("/metrics")
    @blueprint.doc(operationId="getMetrics", security=[{"metricsBasicAuth": []}])
    @blueprint.response(
        200, {"type": "string"}, content_type="text/plain", description="Metrics in the Prometheus text format."
    )
    @blueprint.problems(401, 500)
    def get_metrics() -> Response:
        """Get metrics.

        Request rates and latencies, decisions, data drift, outcomes and resource usage, aggregated over all workers.
        """
        _require(username, password)
        text, content_type = expose()
        return Response(text, content_type=content_type)

    return blueprint


def _require(username: str, password: str) -> None:
    """Raise Unauthorized unless the request has these credentials, in time that does not depend on the mismatch."""
    try:
        given = request.authorization
    except ValueError:
        # werkzeug ignores invalid base64 but raises ValueError if the header is not ASCII.
        given = None
    is_basic = given is not None and given.type == "basic"
    given_username = (given.username if is_basic and given is not None else None) or ""
    given_password = (given.password if is_basic and given is not None else None) or ""
    same_username = hmac.compare_digest(given_username.encode(), username.encode())
    same_password = hmac.compare_digest(given_password.encode(), password.encode())
    if not (same_username and same_password):
        raise Unauthorized(
            "Metrics require the username METRICS_USERNAME and the password in METRICS_PASSWORD_FILE.",
            www_authenticate=WWWAuthenticate("basic", {"realm": "metrics"}),
        )
