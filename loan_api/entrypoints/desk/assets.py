"""Stylesheet, script and icon of the desk."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, send_from_directory

from loan_api.entrypoints.desk.links import relative

_STATIC = Path(__file__).parent / "static"
# Links contain the content's digest, so a new file has a new address.
_CACHE_SECONDS = 30 * 86_400


def assets_blueprint() -> Blueprint:
    """Create the endpoint of the files. Unlike pages, they need no sign-in."""
    blueprint = Blueprint("desk_assets", __name__)

    @blueprint.route("/desk/assets/<name>")
    def asset(name: str) -> Response:
        return send_from_directory(_STATIC, name, max_age=_CACHE_SECONDS)

    return blueprint


def asset_link(name: str) -> str:
    """Return the link from the requested page to a file."""
    return f"{relative(f'/desk/assets/{name}')}?v={_version(name)}"


@cache
def _version(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]
