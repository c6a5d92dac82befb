"""`/model`: the served model."""

from typing import Any

from loan_api.credit.features import describe
from loan_api.credit.form import Form
from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.schemas import ModelSchema
from loan_api.formats.timestamps import utc_text
from loan_api.services.model_registry import ModelRegistry


def model_blueprint(form: Form, registry: ModelRegistry) -> LoanBlueprint:
    """Create the endpoint that describes the served model."""
    blueprint = LoanBlueprint("model", __name__, description="Inspect the model that makes the decisions.")

    @blueprint.route("/model")
    @blueprint.doc(operationId="getModel")
    @blueprint.response(200, ModelSchema, description="The served model.")
    @blueprint.problems(500, 503)
    def get_model() -> dict[str, Any]:
        """Get the served model.

        Returns its version, threshold, evaluation metrics and provenance, and the features of an application with
        their units, ranges and allowed values.
        """
        served = registry.current
        version, facts = served.version, served.version.facts
        return {
            "name": version.name,
            "version": version.semantic_version,
            "registry_version": version.registry_version,
            "stage": version.stage,
            "aliases": list(version.aliases),
            "algorithm": facts.algorithm,
            "scorer": served.scorer.name,
            "scorer_reason": served.why_not_compiled,
            "threshold": facts.threshold,
            "metrics": dict(facts.metrics),
            "features": [describe(feature) for feature in form.features],
            "dataset_digest": facts.dataset_digest,
            "feature_schema_digest": facts.feature_schema_digest,
            "run_id": version.run_id,
            "git_commit": facts.git_commit,
            "loaded_at": utc_text(served.loaded_at),
        }

    return blueprint
