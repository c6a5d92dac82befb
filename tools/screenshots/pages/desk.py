"""Pages of the desk, each in a light and a dark theme and some as on a phone."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tools.screenshots.camera import fit_to_content
from tools.screenshots.system import Desk, System

_PHONE_WIDTH = 390
# The score is too low for the model, and the rest is like the example of the form.
_DECLINED_SCORE = "480"

Shot = Callable[[Page, System], None]


def dark(shot: Shot) -> Shot:
    """Return the same page in the dark theme."""

    def taken(page: Page, system: System) -> None:
        page.emulate_media(color_scheme="dark")
        shot(page, system)

    return taken


def on_phone(shot: Shot) -> Shot:
    """Return the same page on the screen of a phone."""

    def taken(page: Page, system: System) -> None:
        shot(page, system)
        fit_to_content(page, _PHONE_WIDTH)

    return taken


def reviews(page: Page, system: System) -> None:
    """Show the queue of referrals."""
    _open(page, system.desk, "reviews")
    expect(page.get_by_role("button", name="Review next")).to_be_visible()


def review(page: Page, system: System) -> None:
    """Claim the next referral and enter a reason."""
    _open(page, system.desk, "reviews")
    page.get_by_role("button", name="Review next").click()
    page.get_by_label("Reason").fill("income_verified")
    page.get_by_label("Note").fill("Salary slips of the last six months seen.")
    fit_to_content(page)


def attempt(page: Page, system: System) -> None:
    """Try an application that is declined, with the reasons and what would change the decision."""
    _open(page, system.desk, "try")
    page.get_by_label("CIBIL credit score").fill(_DECLINED_SCORE)
    page.get_by_role("button", name="Simulate").click()
    expect(page.locator("#result")).to_contain_text("Contributions")
    fit_to_content(page)


def decisions(page: Page, system: System) -> None:
    """Show the latest decisions."""
    _open(page, system.desk, "decisions")
    expect(page.get_by_role("row").nth(1)).to_be_visible()


def decision(page: Page, system: System) -> None:
    """Show the life of a declined decision, replayed."""
    _open(page, system.desk, "decisions")
    page.get_by_role("row").filter(has_text="Declined").first.get_by_role("link").first.click()
    page.get_by_role("button", name="Replay now").click()
    expect(page.get_by_text("The same to the last bit.")).to_be_visible()
    fit_to_content(page)


def model(page: Page, system: System) -> None:
    """Show the served model with its reliability and drift."""
    _open(page, system.desk, "model")
    expect(page.get_by_role("img", name="Reliability diagram")).to_be_visible()


def another_form(page: Page, system: System) -> None:
    """Try the example application of another form."""
    _open(page, system.german_desk, "try")
    page.get_by_role("button", name="Simulate").click()
    expect(page.locator("#result")).to_contain_text("Contributions")
    fit_to_content(page)


def _open(page: Page, desk: Desk, name: str) -> None:
    page.goto(f"{desk.url}/desk/{name}")
    page.get_by_label("API key").fill(desk.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
