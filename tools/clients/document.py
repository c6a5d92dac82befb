"""The OpenAPI document, as published and as adapted for code generators."""

import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from tools.clients.programs import run

_ROOT = Path(__file__).parents[2]
_JSON = "application/json"


def api_document() -> dict[str, Any]:
    """Return the document, without a running service. Raises ProgramFailedError."""
    document: dict[str, Any] = json.loads(run([sys.executable, "-m", "loan_api", "openapi"], _ROOT))
    return document


def for_generators(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without alternatives to JSON and without servers.

    Given CSV or Parquet besides JSON, generators would also accept text or bytes and send them as JSON. Such bodies
    need no type: callers send them with the client's own HTTP session. The server's address is relative to the
    document, so clients could not use it as a default.
    """
    narrowed = deepcopy(document)
    del narrowed["servers"]
    for operation in _operations(narrowed):
        for body in (operation.get("requestBody", {}), *operation["responses"].values()):
            content = body.get("content", {})
            if _JSON in content:
                body["content"] = {_JSON: content[_JSON]}
    return narrowed


def without_optional_security(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without optional security, which openapi-python-client would treat as required."""
    relaxed = deepcopy(document)
    for operation in _operations(relaxed):
        if {} in operation.get("security", []):
            del operation["security"]
    return relaxed


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (operation for member, operation in path.items() if member != "parameters")


def save(document: dict[str, Any], path: Path) -> Path:
    """Write the document to `path`."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
