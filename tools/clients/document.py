"""The OpenAPI document, as the service writes it and as generators take it."""

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
    """The document; no service needs to run. Raises ProgramFailedError."""
    document: dict[str, Any] = json.loads(run([sys.executable, "-m", "loan_api", "openapi"], _ROOT))
    return document


def for_generators(document: dict[str, Any]) -> dict[str, Any]:
    """The document with JSON alone where JSON is one of several formats.

    Generators make one type of a body. With CSV or Parquet beside JSON they would offer a text or a blob, too, and send
    it as JSON. Such bodies are bytes that need no type: they are sent with the client's own HTTP session.
    """
    narrowed = deepcopy(document)
    for operation in _operations(narrowed):
        for body in (operation.get("requestBody", {}), *operation["responses"].values()):
            content = body.get("content", {})
            if _JSON in content:
                body["content"] = {_JSON: content[_JSON]}
    return narrowed


def without_optional_security(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the mention of keys where an operation can do without: for who would demand them there."""
    open_to_all = deepcopy(document)
    for operation in _operations(open_to_all):
        if {} in operation.get("security", []):
            del operation["security"]
    return open_to_all


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (operation for member, operation in path.items() if member != "parameters")


def save(document: dict[str, Any], path: Path) -> Path:
    """Writes the document to `path`."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
