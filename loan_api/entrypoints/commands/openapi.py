"""`openapi`: write the document that clients are generated from, without a running service."""

import json
from typing import TextIO

import click

from loan_api.entrypoints.commands.settings import form_or_exit, settings_or_exit


@click.command()
@click.argument("file", type=click.File("w", encoding="utf-8"), default="-")
def openapi(file: TextIO) -> None:
    """Write the OpenAPI document, as served at /openapi.json, to FILE or standard output."""
    from loan_api.entrypoints.http.endpoints import Limits, openapi_document

    settings = settings_or_exit()
    document = openapi_document(form_or_exit(settings), Limits(settings.max_batch_rows, settings.max_request_bytes))
    file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
