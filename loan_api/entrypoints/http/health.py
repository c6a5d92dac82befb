"""`/health` for people and monitoring, `/health/live` and `/health/ready` for orchestrators."""

from typing import Any

from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.schemas import HealthSchema, ProbeSchema
from loan_api.formats.timestamps import utc_text
from loan_api.services.health import HealthService


def health_blueprint(health: HealthService) -> LoanBlueprint:
    """Create the health endpoints."""
    blueprint = LoanBlueprint("health", __name__, description="Monitor the service and its dependencies.")

    @blueprint.route("/health")
    @blueprint.doc(operationId="getHealth")
    @blueprint.response(200, HealthSchema, description="Healthy or degraded: decisions are made.")
    @blueprint.alt_response(503, schema=HealthSchema, description="Unhealthy: no decisions are made.")
    def get_health() -> tuple[dict[str, Any], int]:
        """Check the health of the service.

        Reports the state of the model, decision log, database, registry, API keys and credit policy. A degraded
        service still makes decisions but needs attention.
        """
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
                "policy": report.policy,
            },
        }
        return body, 503 if report.status == "unhealthy" else 200

    @blueprint.route("/health/live")
    @blueprint.doc(operationId="getLiveness")
    @blueprint.response(200, ProbeSchema, description="The process responds.")
    def get_liveness() -> dict[str, str]:
        """Check that the service is alive.

        A liveness probe. It succeeds for as long as the process responds, even without a model.
        """
        return {"status": "ok"}

    @blueprint.route("/health/ready")
    @blueprint.doc(operationId="getReadiness")
    @blueprint.response(200, ProbeSchema, description="The service can make decisions.")
    @blueprint.alt_response(503, schema=ProbeSchema, description="No model is loaded, or decisions cannot be recorded.")
    def get_readiness() -> tuple[dict[str, str], int]:
        """Check that the service can make decisions.

        A readiness probe, also for load balancers. It fails until a model is loaded, and while decisions cannot be
        recorded.
        """
        obstacle = health.obstacle
        return ({"status": "ok"}, 200) if obstacle is None else ({"status": obstacle}, 503)

    return blueprint
