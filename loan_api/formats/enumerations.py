"""A closed set of values as a component of the OpenAPI document, so that generators make one well-named type of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loan_api.credit.features import FEATURES, CategoryFeature


@dataclass(frozen=True)
class Enumeration:
    """The values by the names that generated code has for them, as in `Decision.APPROVED`."""

    name: str
    description: str
    values: Mapping[str, int | str]

    @classmethod
    def of(cls, name: str, description: str, *values: str) -> "Enumeration":
        """Of texts that are their own names."""
        return cls(name, description, {value.upper().replace(" ", "_"): value for value in values})

    @property
    def schema(self) -> dict[str, Any]:
        """The component."""
        values = list(self.values.values())
        return {
            "type": "integer" if isinstance(values[0], int) else "string",
            "description": self.description,
            "enum": values,
            "x-enum-varnames": list(self.values),
        }

    @property
    def reference(self) -> dict[str, str]:
        """What stands for the component elsewhere in the document."""
        return {"$ref": f"#/components/schemas/{self.name}"}

    def documented(self, **metadata: Any) -> dict[str, Any]:
        """The metadata of a field that holds one of the values; in OpenAPI 3.0 a bare reference could have none."""
        return {"allOf": [self.reference], **metadata}

    def or_null(self, **metadata: Any) -> dict[str, Any]:
        """The same for a field that may be null, spelled so that it is right by the letter of OpenAPI 3.0."""
        null = {"type": self.schema["type"], "nullable": True, "enum": [None]}
        return {"oneOf": [self.reference, null], **metadata}


def enumeration_of(feature: CategoryFeature) -> Enumeration:
    """The values of a category: the feature `self_employed` gives `SelfEmployed`."""
    name = "".join(word.capitalize() for word in feature.name.split("_"))
    return Enumeration.of(name, feature.description, *feature.values)


CATEGORIES = tuple(enumeration_of(feature) for feature in FEATURES if isinstance(feature, CategoryFeature))
