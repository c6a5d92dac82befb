"""A visitor of the desk without a browser: opens pages, reads their forms, and submits them with their token."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from werkzeug.test import Client, TestResponse

TOKEN = "csrf_token"


class _Texts(HTMLParser):
    """The texts of a page, the values of its inputs by name, and the targets of its links."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.values: dict[str, str] = {}
        self.targets: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("name"):
            self.values[str(given["name"])] = given.get("value") or ""
        if tag == "a":
            self.targets.append(given.get("href") or "")


@dataclass(frozen=True)
class Page:
    """A response of the desk."""

    response: TestResponse

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def html(self) -> str:
        return self.response.get_data(as_text=True)

    @property
    def text(self) -> str:
        """Return the visible text, with single spaces."""
        return re.sub(r"\s+", " ", " ".join(self._parsed().texts)).strip()

    @property
    def inputs(self) -> dict[str, str]:
        """Return the values of the inputs by name."""
        return self._parsed().values

    @property
    def targets(self) -> list[str]:
        """Return the targets of the links, in order."""
        return self._parsed().targets

    @property
    def location(self) -> str:
        return self.response.headers["Location"]

    def _parsed(self) -> _Texts:
        parser = _Texts()
        parser.feed(self.html)
        return parser


@dataclass(frozen=True)
class Desk:
    """The desk as a visitor sees it."""

    client: Client

    def open(self, path: str, **headers: str) -> Page:
        return Page(self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()}))

    def submit(self, path: str, fields: dict[str, str], form: str | None = None) -> Page:
        """Post the fields with the token of the page `form`, by default of the same path."""
        token = self.open(form or path).inputs[TOKEN]
        return Page(self.client.post(path, data={TOKEN: token, **fields}))

    def sign_in(self, key: str, **fields: str) -> Page:
        return self.submit("/desk/sign-in", {"api_key": key, **fields})

    @property
    def cookie(self) -> str | None:
        """Return the value of the session's cookie."""
        found = self.client.get_cookie("loan_desk", path="/desk")
        return None if found is None else found.value


def signed_in(client: Client, key: str) -> Desk:
    """Return the desk of a visitor who has signed in."""
    desk = Desk(client)
    assert desk.sign_in(key).status == 303
    return desk
