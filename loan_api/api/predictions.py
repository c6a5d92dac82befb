"""`/predict` and `/predict/batch`."""

from typing import Any

from flask import g

from loan_api.api.blueprint import LoanBlueprint
from loan_api.api.schemas import ApplicationSchema, BatchPredictionSchema, PredictionSchema, batch_schema
from loan_api.api.timestamps import utc_text
from loan_api.scoring.scorer import Application
from loan_api.services.prediction import PredictionService


def predictions_blueprint(predictions: PredictionService, max_batch_rows: int) -> LoanBlueprint:
    """The endpoints that decide applications."""
    blueprint = LoanBlueprint("predictions", __name__, description="Decide loan applications.")

    @blueprint.route("/predict", methods=["POST"])
    @blueprint.doc(operationId="predict")
    @blueprint.arguments(ApplicationSchema)
    @blueprint.response(200, PredictionSchema)
    @blueprint.problems(400, 413, 415, 422, 500, 503)
    def predict(application: Application) -> dict[str, Any]:
        """Decide one application."""
        decided = predictions.decide(application)
        g.logged = {"decision_id": decided.decision_id, "model_version": decided.model_version}
        return {
            "prediction": decided.decision.prediction,
            "probability": decided.decision.probability,
            "model_version": decided.model_version,
            "timestamp": utc_text(decided.decided_at),
            "decision_id": decided.decision_id,
        }

    @blueprint.route("/predict/batch", methods=["POST"])
    @blueprint.doc(operationId="predictBatch")
    @blueprint.arguments(batch_schema(max_batch_rows))
    @blueprint.response(200, BatchPredictionSchema)
    @blueprint.problems(400, 413, 415, 422, 500, 503)
    def predict_batch(batch: dict[str, list[Application]]) -> dict[str, Any]:
        """Decide many applications with the same model version."""
        decided = predictions.decide_batch(batch["instances"])
        rows = len(decided.decisions)
        g.logged = {"batch_id": decided.batch_id, "model_version": decided.model_version, "rows": rows}
        return {
            "predictions": [
                {"prediction": decision.prediction, "probability": decision.probability, "row_id": row_id}
                for row_id, decision in enumerate(decided.decisions)
            ],
            "model_version": decided.model_version,
            "timestamp": utc_text(decided.decided_at),
            "batch_size": rows,
            "processing_time": f"{decided.seconds:.3f}s",
            "batch_id": decided.batch_id,
        }

    return blueprint
