"""`/keys`: which API keys are in force."""

from typing import Any

from loan_api.entrypoints.http.access import Guard
from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.schemas import ApiKeysSchema
from loan_api.formats.timestamps import utc_text
from loan_api.services.access import Access


def keys_blueprint(access: Access, guard: Guard) -> LoanBlueprint:
    """The endpoint that names the API keys in force."""
    blueprint = LoanBlueprint("keys", __name__, description="API keys.")

    @blueprint.route("/keys")
    @blueprint.doc(operationId="listKeys")
    @blueprint.needs("admin")
    @blueprint.response(200, ApiKeysSchema)
    @blueprint.problems(500)
    def list_keys() -> dict[str, Any]:
        """List the API keys in force: names, scopes and since when, never the keys."""
        guard.require("admin")
        return {
            "keys": [
                {"name": key.name, "scopes": list(key.scopes), "created_at": utc_text(key.created_at)}
                for key in access.in_force()
            ]
        }

    return blueprint
