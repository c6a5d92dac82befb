"""Relative links: a proxy may add a path prefix that the service does not know."""

import re
from urllib.parse import urlencode

from flask import request, url_for

# A page of the desk as `return_path` names it.
_RETURN_PATH = re.compile(r"(?!.*(\.\.|//))[A-Za-z0-9_-][A-Za-z0-9_./:=&?%+~-]{0,500}")
_DESK = "/desk/"


def link(page: str, decision_id: str | None = None, /, **query: object) -> str:
    """Return the link from the requested page to a page of the desk, optionally the page of a decision."""
    path = url_for(f"desk.{page}", decision_id=decision_id)
    return relative(path) + (f"?{urlencode(query)}" if query else "")


def return_path() -> str:
    """Return the requested page, relative to the desk, as the target after the sign-in."""
    path = request.full_path.removesuffix("?")
    return path.removeprefix(_DESK) if request.method == "GET" and path.startswith(_DESK) else ""


def return_link(path: str) -> str | None:
    """Return the link to a page named by `return_path`, or None for any other text."""
    return relative(f"{_DESK}{path}") if _RETURN_PATH.fullmatch(path) else None


def relative(path: str) -> str:
    """Return the link from the requested page to a path of the service."""
    steps_up = request.path.count("/") - 1
    return "../" * steps_up + path.removeprefix("/") if steps_up else f"./{path.removeprefix('/')}"
