"""A closed set of values as an OpenAPI component, which client generators turn into one well-named type."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loan_api.credit.features import FEATURES, CategoryFeature


@dataclass(frozen=True)
class Enumeration:
    """Values by the names of their constants in generated code, as in `Decision.APPROVED`."""

    name: str
    description: str
    values: Mapping[str, int | str]

    @classmethod
    def of(cls, name: str, description: str, *values: str) -> "Enumeration":
        """Make an enumeration of texts, named after themselves."""
        return cls(name, description, {value.upper().replace(" ", "_"): value for value in values})

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


def enumeration_of(feature: CategoryFeature) -> Enumeration:
    """Return the enumeration of a category; the feature `self_employed` gives `SelfEmployed`."""
    name = "".join(word.capitalize() for word in feature.name.split("_"))
    return Enumeration.of(name, feature.description, *feature.values)


CATEGORIES = tuple(enumeration_of(feature) for feature in FEATURES if isinstance(feature, CategoryFeature))
