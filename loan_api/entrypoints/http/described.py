"""Puts the docstrings of schemas into the OpenAPI document, and so into generated code."""

import inspect
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema


class _DescribingConverter(OpenAPIConverter):
    """apispec would take a description from `Meta`, and then forget that no other fields are allowed."""

    def schema2jsonschema(self, schema: Schema) -> dict[str, Any]:
        """The component, described by the docstring of the schema's class."""
        converted: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        return {"description": inspect.getdoc(type(schema)), **converted}


class DescribingPlugin(MarshmallowPlugin):
    """apispec's plugin for marshmallow; what it documents is described."""

    Converter = _DescribingConverter
