"""`/keys`: the API keys in force."""

from typing import Any

from loan_api.entrypoints.http.access import Guard
from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.schemas import ApiKeysSchema
from loan_api.formats.timestamps import utc_text
from loan_api.services.access import Access


def keys_blueprint(access: Access, guard: Guard) -> LoanBlueprint:
    """Create the endpoint that lists API keys."""
    blueprint = LoanBlueprint("keys", __name__, description="Review who has access.")

    @blueprint.route("/keys")
    @blueprint.doc(operationId="listKeys")
    @blueprint.needs("admin")
    @blueprint.response(200, ApiKeysSchema, description="The API keys in force.")
    @blueprint.problems(500)
    def list_keys() -> dict[str, Any]:
        """List API keys.

        Returns the name, scopes and creation time of every key in force. Keys themselves are never returned: the
        service stores only their hashes. Create and revoke keys with `python -m loan_api keys`.
        """
        guard.require("admin")
        return {
            "keys": [
                {"name": key.name, "scopes": list(key.scopes), "created_at": utc_text(key.created_at)}
                for key in access.in_force()
            ]
        }

    return blueprint
