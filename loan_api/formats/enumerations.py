"""A closed set of values as an OpenAPI component, which client generators turn into one well-named type."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from loan_api.credit.form import Form

# Names of the API's other components, which a category cannot have. A test compares them with the document.
TAKEN_NAMES = frozenset(
    {
        *("ApiKey", "ApiKeys", "BatchCount", "DecidedApplication", "DecidedBatch", "DecidedRow", "Decision"),
        *(
            "DecisionPage",
            "Effect",
            "Endpoint",
            "Feature",
            "FeatureType",
            "FieldError",
            "FoundBatch",
            "FoundDecision",
            "Health",
        ),
        *("HealthChecks", "HealthStatus", "LoanApplication", "LoanApplicationBatch", "Model", "Outcome"),
        *(
            "OutcomeCount",
            "OutcomeFilter",
            "OutcomeState",
            "PolicyDecision",
            "Probe",
            "Problem",
            "RecordedDecision",
            "RecordedOutcome",
        ),
        *("Review", "ReviewDecision", "ReviewDecisionReport", "ReviewNeed", "ReviewPage", "ReviewStatus"),
        *("ReviewedDecision", "ReviewerDecision", "Scope", "Scorer"),
    }
)


@dataclass(frozen=True)
class Enumeration:
    """Values by the names of their constants in generated code, as in `Decision.APPROVED`."""

    name: str
    description: str
    values: Mapping[str, int | str]

    @classmethod
    def of(cls, name: str, description: str, *values: str) -> "Enumeration":
        """Make an enumeration of texts, named after themselves."""
        return cls(name, description, dict(zip(_unique(map(_constant, values)), values, strict=True)))

    @property
    def schema(self) -> dict[str, Any]:
        """Return the component."""
        values = list(self.values.values())
        return {
            "type": "integer" if isinstance(values[0], int) else "string",
            "description": self.description,
            "enum": values,
            "x-enum-varnames": list(self.values),
        }

    @property
    def reference(self) -> dict[str, str]:
        """Return the reference to the component."""
        return {"$ref": f"#/components/schemas/{self.name}"}

    def documented(self, **metadata: Any) -> dict[str, Any]:
        """Return the metadata of a field that holds one of the values. A bare reference cannot have any."""
        return {"allOf": [self.reference], **metadata}

    def or_null(self, **metadata: Any) -> dict[str, Any]:
        """Return the metadata of a nullable field, in the only form that OpenAPI 3.0 allows."""
        null = {"type": self.schema["type"], "nullable": True, "enum": [None]}
        return {"oneOf": [self.reference, null], **metadata}


def category_enumerations(form: Form) -> Mapping[str, Enumeration]:
    """Return the enumeration of each category by its name; the feature `own_business` gives `OwnBusiness`."""
    words = ("".join(word[:1].upper() + word[1:] for word in c.name.split("_")) for c in form.categories)
    names = _unique(words, TAKEN_NAMES)
    return {
        category.name: Enumeration.of(name, category.description, *category.values)
        for category, name in zip(form.categories, names, strict=True)
    }


def _constant(value: str) -> str:
    """Return the value as the name of a constant."""
    name = re.sub(r"\W+", "_", value.upper(), flags=re.ASCII).strip("_")
    return name if name[:1].isalpha() else f"VALUE_{name}".rstrip("_")


def _unique(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Add a number to names that are taken or repeated."""
    used = set(taken)
    unique = []
    for name in names:
        free, number = name, 1
        while free in used:
            number += 1
            free = f"{name}_{number}" if name.isupper() else f"{name}{number}"
        used.add(free)
        unique.append(free)
    return unique
