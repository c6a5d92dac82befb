"""The closed sets of values in the API, but for the features of an application, which are their own declaration."""

from typing import get_args

from loan_api.formats.enumerations import CATEGORIES, Enumeration
from loan_api.services.access import SCOPES
from loan_api.services.audit import Endpoint
from loan_api.services.health import HealthStatus

DECISION = Enumeration("Decision", "1 approved, 0 rejected.", {"REJECTED": 0, "APPROVED": 1})
OUTCOME = Enumeration("Outcome", "What really happened: 1 good, 0 bad.", {"BAD": 0, "GOOD": 1})
OUTCOME_FILTER = Enumeration(
    "OutcomeFilter", "The last outcome told, or that none was.", {"BAD": "0", "GOOD": "1", "NONE": "none"}
)
ENDPOINT = Enumeration.of("Endpoint", "Whether it was asked for alone or in a batch.", *get_args(Endpoint))
SCOPE = Enumeration.of("Scope", "What an API key allows; `admin` includes the others.", *SCOPES)
HEALTH_STATUS = Enumeration.of(
    "HealthStatus",
    "`degraded`: it decides, but something needs attention. `unhealthy`: it cannot decide.",
    *get_args(HealthStatus),
)
FEATURE_TYPE = Enumeration.of("FeatureType", "What kind of value a feature has.", "integer", "number", "category")
SCORER = Enumeration.of(
    "Scorer",
    "What computes the probabilities: the model's compiled form, or the reference pipeline.",
    "compiled",
    "pipeline",
)

ENUMERATIONS = (DECISION, OUTCOME, OUTCOME_FILTER, ENDPOINT, SCOPE, HEALTH_STATUS, FEATURE_TYPE, SCORER, *CATEGORIES)
