"""Sign-in, sign-out and the start page of the desk."""

from http import HTTPStatus
from typing import Any

from flask import g, redirect, render_template, request

from loan_api.entrypoints.desk.blueprint import DeskBlueprint
from loan_api.entrypoints.desk.links import link, return_link
from loan_api.entrypoints.desk.sessions import SignIns
from loan_api.entrypoints.http.problems import log_refusal
from loan_api.entrypoints.http.requests import note_api_key
from loan_api.errors import NotAuthenticatedError


def add_sign_in(blueprint: DeskBlueprint, sign_ins: SignIns) -> None:
    """Add the pages that everyone may see, and the redirect to a visitor's first page."""

    @blueprint.public("/")
    def root() -> Any:
        return redirect(link("home"))

    @blueprint.public("/desk/sign-in", methods=("GET", "POST"))
    def sign_in() -> Any:
        after = return_link(request.values.get("next", "")) or link("home")
        if request.method == "GET":
            return redirect(after, 303) if g.visitor else _form()
        try:
            visitor = sign_ins.begin(request.form.get("api_key", "").strip())
        except NotAuthenticatedError as error:
            log_refusal(error)
            return _form(is_refused=True), HTTPStatus.FORBIDDEN
        note_api_key(visitor.name)
        return redirect(after, 303)

    def _form(*, is_refused: bool = False) -> str:
        return render_template(
            "sign_in.html",
            obstacle=sign_ins.obstacle,
            is_refused=is_refused,
            has_ended=request.args.get("ended") == "1",
            next=request.values.get("next", ""),
        )

    @blueprint.public("/desk/sign-out", methods=("POST",))
    def sign_out() -> Any:
        sign_ins.end()
        return redirect(link("sign_in"), 303)

    @blueprint.page("/desk")
    def home() -> Any:
        first = blueprint.first_page(g.visitor)
        return redirect(link(first), 303) if first else render_template("nothing.html")

    @blueprint.public("/desk/")
    def home_with_slash() -> Any:
        return redirect(link("home"))

    @blueprint.page("/desk/<path:unknown>")
    def missing(unknown: str) -> Any:  # noqa: ARG001
        detail = "This page does not exist. Choose another in the navigation."
        return render_template("error.html", status=404, title="Not Found", detail=detail), HTTPStatus.NOT_FOUND
