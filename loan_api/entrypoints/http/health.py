"""`/health` for people and monitors, `/health/live` and `/health/ready` for orchestrators."""

from typing import Any

from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.schemas import HealthSchema, ProbeSchema
from loan_api.formats.timestamps import utc_text
from loan_api.services.health import HealthService


def health_blueprint(health: HealthService) -> LoanBlueprint:
    """The endpoints that say whether the service works."""
    blueprint = LoanBlueprint("health", __name__, description="Whether the service works.")

    @blueprint.route("/health")
    @blueprint.doc(operationId="getHealth")
    @blueprint.response(200, HealthSchema, description="healthy or degraded")
    @blueprint.alt_response(503, schema=HealthSchema, description="unhealthy")
    def get_health() -> tuple[dict[str, Any], int]:
        """Report the state of every part."""
        report = health.report()
        body = {
            "status": report.status,
            "checks": {
                "model_loaded": report.model_loaded,
                "api_status": "ok",
                "model_version": report.model_version,
                "timestamp": utc_text(report.timestamp),
                "database": report.database,
                "decision_log": report.decision_log,
                "registry": report.registry,
                "access": report.access,
            },
        }
        return body, 503 if report.status == "unhealthy" else 200

    @blueprint.route("/health/live")
    @blueprint.doc(operationId="getLiveness")
    @blueprint.response(200, ProbeSchema, description="The process serves.")
    def get_liveness() -> dict[str, str]:
        """Answer while the process serves."""
        return {"status": "ok"}

    @blueprint.route("/health/ready")
    @blueprint.doc(operationId="getReadiness")
    @blueprint.response(200, ProbeSchema, description="Applications can be decided.")
    @blueprint.alt_response(503, schema=ProbeSchema, description="No model yet, or decisions cannot be recorded.")
    def get_readiness() -> tuple[dict[str, str], int]:
        """Say whether applications can be decided."""
        obstacle = health.obstacle
        return ({"status": "ok"}, 200) if obstacle is None else ({"status": obstacle}, 503)

    return blueprint
