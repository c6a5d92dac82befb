"""Visits to pages in a real browser."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tools.clients.npm import install


class Visit:
    """A visit to a page, with the requests that it made and the errors that it reported."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.requested: set[str] = set()
        self.errors: list[str] = []
        page.on("request", lambda request: self.requested.add(request.url))
        page.on("requestfailed", lambda request: self.errors.append(f"{request.url}: {request.failure}"))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._note(message.type, message.text))
        page.goto(url)

    def _note(self, kind: str, text: str) -> None:
        # This includes violations of the content security policy.
        if kind in ("error", "warning"):
            self.errors.append(text)


@dataclass(frozen=True)
class Accessibility:
    """axe-core, which checks a page against WCAG."""

    script: str

    @classmethod
    def installed(cls, folder: Path) -> "Accessibility":
        """Install axe-core from npm in the folder."""
        install(Path(__file__).parent / "axe", folder)
        return cls((folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))

    def problems(self, page: Page) -> list[str]:
        """Return what violates WCAG 2.2 at level AA, or good practice, on the page: rule, element and explanation."""
        page.evaluate(self.script)
        result: dict[str, Any] = page.evaluate("axe.run()")
        assert result["passes"], json.dumps(result)[:500]
        return [
            f"{violation['id']}: {node['html']}: {node['failureSummary']}"
            for violation in result["violations"]
            for node in violation["nodes"]
        ]
