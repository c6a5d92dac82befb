"""Access to the parts of an OpenAPI document."""

from typing import Any


def operations_of(document: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the path, method and definition of every operation. Fails if there are none."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]
    assert operations
    return operations
