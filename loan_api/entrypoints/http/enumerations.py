"""The enumerations of the API, except those of an application's features, which are derived from the form."""

from typing import get_args

from loan_api.credit.decision import DECISIONS
from loan_api.credit.features import Effect
from loan_api.formats.enumerations import Enumeration
from loan_api.services.access import SCOPES
from loan_api.services.audit import Endpoint
from loan_api.services.health import HealthStatus
from loan_api.services.review_state import ReviewDecision, ReviewNeed, ReviewStatus

DECISION = Enumeration("Decision", "1 approved, 0 rejected.", {"REJECTED": 0, "APPROVED": 1})
POLICY_DECISION = Enumeration.of("PolicyDecision", "The policy's decision. A person decides a referral.", *DECISIONS)
OUTCOME = Enumeration("Outcome", "The actual outcome of the loan: 1 good, 0 bad.", {"BAD": 0, "GOOD": 1})
OUTCOME_FILTER = Enumeration(
    "OutcomeFilter",
    "The latest reported outcome, or `none` if there is no report.",
    {"BAD": "0", "GOOD": "1", "NONE": "none"},
)
ENDPOINT = Enumeration.of("Endpoint", "`single` for `/predict`, `batch` for `/predict/batch`.", *get_args(Endpoint))
SCOPE = Enumeration.of("Scope", "A permission of an API key. `admin` includes all others.", *SCOPES)
HEALTH_STATUS = Enumeration.of(
    "HealthStatus",
    "`degraded`: decisions are made, but something needs attention. `unhealthy`: no decisions are made.",
    *get_args(HealthStatus),
)
REVIEW_STATUS = Enumeration.of(
    "ReviewStatus",
    "`open`: anyone may claim the referral. `claimed`: a reviewer works on it. `decided`: reviewers have decided.",
    *get_args(ReviewStatus),
)
REVIEW_DECISION = Enumeration.of("ReviewDecision", "A reviewer's decision on a referral.", *get_args(ReviewDecision))
REVIEW_NEED = Enumeration.of(
    "ReviewNeed",
    "What a review needs: a decision, a second one by another API key, or an override of two that disagree.",
    *get_args(ReviewNeed),
)
FEATURE_TYPE = Enumeration.of("FeatureType", "The type of a feature's values.", "integer", "number", "category")
EFFECT = Enumeration.of("Effect", "A direction of the approval probability.", *get_args(Effect))
SCORER = Enumeration.of(
    "Scorer",
    "The implementation that computes probabilities: the model's compiled form or its reference pipeline.",
    "compiled",
    "pipeline",
)

ENUMERATIONS = (
    DECISION,
    POLICY_DECISION,
    OUTCOME,
    OUTCOME_FILTER,
    ENDPOINT,
    SCOPE,
    HEALTH_STATUS,
    REVIEW_STATUS,
    REVIEW_DECISION,
    REVIEW_NEED,
    FEATURE_TYPE,
    EFFECT,
    SCORER,
)
