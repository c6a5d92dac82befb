"""Decisions: search the decision log."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from flask import redirect, render_template, request

from loan_api.entrypoints.desk.application_form import errors_by_field
from loan_api.entrypoints.desk.blueprint import DeskBlueprint
from loan_api.entrypoints.desk.links import link
from loan_api.entrypoints.http.audit_requests import decode_search
from loan_api.entrypoints.http.request_fields import cursor_of
from loan_api.errors import NotYetStoredError, UnknownDecisionError
from loan_api.formats.refusals import RequestRefusedError
from loan_api.services.audit import AuditService, DecisionName, Page

_ON_A_PAGE = "50"
_FILTERS = ("from", "to", "decision", "prediction", "outcome", "endpoint", "model_version", "request_id")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def add_decisions(blueprint: DeskBlueprint, audit: AuditService) -> None:
    """Add the search."""

    @blueprint.page("/desk/decisions", "audit", tab="Decisions")
    def decisions() -> Any:
        entered = {name: request.args.get(name, "").strip() for name in _FILTERS}
        cursor = request.args.get("cursor", "")
        try:
            page = audit.search(*decode_search(_query(entered, cursor)))
            errors: Mapping[str, str] = {}
        except RequestRefusedError as error:
            page, errors = Page((), None), errors_by_field(error.refusals)
            if "to" in errors and _is_day(entered["from"]) and _is_day(entered["to"]):
                # The search would ask for a later time, but here the last day is included.
                errors = {**errors, "to": "Must be a date on or after the first day."}
        filters = {name: value for name, value in entered.items() if value}
        return render_template(
            "decisions.html",
            entered=entered,
            filters=filters,
            errors=errors,
            page=page,
            is_later=bool(cursor),
            following=cursor_of(page.following),
        ), 422 if errors else 200

    @blueprint.page("/desk/decisions/find", "audit")
    def find() -> Any:
        """Redirect to the decision or batch with the entered id, otherwise to the decisions of that request."""
        text = request.args.get("id", "").strip()
        if DecisionName.parse(text) is not None:
            try:
                audit.find(text)
            except (UnknownDecisionError, NotYetStoredError):
                pass
            else:
                return redirect(link("decision", text), 303)
        return redirect(link("decisions", **({"request_id": text} if text else {})), 303)


def _query(entered: Mapping[str, str], cursor: str) -> Mapping[str, Sequence[str]]:
    """Return the filters as the API's search takes them. The last day is part of the span here."""
    filters = {**entered, "cursor": cursor, "limit": _ON_A_PAGE}
    if _is_day(entered["to"]):
        # Leave a nonexistent day as it is; the search refuses it.
        with suppress(ValueError, OverflowError):
            filters["to"] = str(date.fromisoformat(entered["to"]) + timedelta(days=1))
    return {name: [value] for name, value in filters.items() if value}


def _is_day(text: str) -> bool:
    return _DATE.fullmatch(text) is not None
