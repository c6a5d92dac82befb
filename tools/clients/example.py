"""The example application in the packages' documentation, as source code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

# The places in a package's README.
_TYPES = "APPLICATION_TYPES"
_FIELDS = "APPLICATION_FIELDS"


def fill_in_example(readme: Path, document: dict[str, Any], field: Callable[[str, str], str], closing: str) -> None:
    """Write the document's example application into a README; `field` formats a field given its name and value.

    `closing` follows the last field.
    """
    schemas = document["components"]["schemas"]
    lines, types = [], []
    for name, schema in schemas["LoanApplication"]["properties"].items():
        value = schema["example"]
        if "allOf" in schema:
            type_name = schema["allOf"][0]["$ref"].rpartition("/")[2]
            enumeration = schemas[type_name]
            types.append(type_name)
            value = f"{type_name}.{enumeration['x-enum-varnames'][enumeration['enum'].index(value)]}"
        else:
            value = f"{value:_}"
        lines.append(field(name, value))
    text = readme.read_text(encoding="utf-8").replace(_TYPES, ", ".join(types))
    readme.write_text(text.replace(_FIELDS, "".join(f"\n    {line}" for line in lines) + closing), encoding="utf-8")
