"""The desk in a real browser: the main task of each page, by mouse, by keyboard, without scripts, and for everyone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from loan_api.adapters.keys.file import add_key, remove_key
from loan_api.settings import PROJECT_ROOT
from tests.e2e.conftest import Proxied
from tests.support.applications import application
from tests.support.browsing import Accessibility, Visit
from tests.support.forms import SHIPPED
from tests.support.homes import TrainedHome, copy_of
from tests.support.prefix_proxy import PREFIX
from tests.support.service import Service, started_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

POLICY = PROJECT_ROOT / "docs" / "examples" / "policy.toml"
SIGN_IN = "/desk/sign-in"
# A rule of the policy refers it.
REFERRED: dict[str, object] = {"self_employed": "Yes", "commercial_assets_value": 0}


class Reviewers:
    """A running service and its keys."""

    def __init__(self, service: Service, keys: Path) -> None:
        self.service = service
        self._keys = keys
        self.jane = self.key("jane")

    def key(self, name: str) -> str:
        """Return a new key for the desk."""
        return add_key(self._keys, name, ("score", "audit", "review"), datetime.now(UTC))

    def revoke(self, name: str) -> None:
        remove_key(self._keys, name)

    def refer(self) -> str:
        """Have an application referred, and return the id of the decision."""
        return self.decide(**REFERRED)

    def decide(self, **changes: object) -> str:
        """Have an application decided, and return the id of the decision."""
        response = requests.post(
            self.service.url("/predict"), json=application(**changes), headers={"X-API-Key": self.jane}, timeout=20
        )
        assert response.status_code == 200, response.text
        return str(response.json()["decision_id"])


@pytest.fixture(scope="module")
def reviewers(trained_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewers]:
    home = copy_of(trained_home, tmp_path_factory.mktemp("desk") / "home").settings.loan_home
    keys = home / "keys.json"
    add_key(keys, "first", ("admin",), datetime.now(UTC))
    with started_service(home, API_KEYS_FILE=str(keys), POLICY_PATH=str(POLICY)) as service:
        reviewers = Reviewers(service, keys)
        wait_until(lambda: _is_accepted(service, reviewers.jane), "the keys to be in force", 20)
        yield reviewers


def _is_accepted(service: Service, key: str) -> bool:
    response = requests.get(service.url("/decisions"), headers={"X-API-Key": key}, timeout=20)
    return response.status_code == 200


def _is_alive(service: Service) -> bool:
    try:
        return requests.get(service.url("/health/live"), timeout=5).ok
    except requests.RequestException:
        return False


@contextmanager
def visiting(browser: Browser, url: str, **options: object) -> Iterator[Visit]:
    with browser.new_context(**options) as context:  # type: ignore[arg-type]
        yield Visit(context.new_page(), url)


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.fixture
def visit(browser: Browser, reviewers: Reviewers) -> Iterator[Visit]:
    """Provide a visitor who has signed in."""
    with visiting(browser, reviewers.service.url("/")) as visit:
        sign_in(visit.page, reviewers.jane)
        yield visit


def test_an_application_is_tried_and_then_recorded(visit: Visit, reviewers: Reviewers) -> None:
    page = visit.page
    page.get_by_role("link", name="Try").click()
    page.get_by_label("CIBIL credit score").fill("310")
    page.get_by_role("button", name="Simulate").click()
    result = page.locator("#result")
    expect(result).to_contain_text("Simulation")
    expect(result).to_contain_text("Declined")
    expect(result).to_contain_text("Contributions")
    page.get_by_role("button", name="Decide and record").click()
    expect(result).to_contain_text("Recorded decision")
    expect(page.get_by_label("CIBIL credit score")).to_have_value("310")
    result.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Decision of")
    expect(page.get_by_role("row", name="CIBIL credit score")).to_contain_text("310 points")
    assert {urlsplit(url).netloc for url in visit.requested} == {f"127.0.0.1:{reviewers.service.port}"}
    assert visit.errors == []


def test_errors_lead_to_their_fields(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="Try").click()
    page.get_by_label("CIBIL credit score").fill("9999")
    page.get_by_role("button", name="Simulate").click()
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    summary.get_by_role("link", name="CIBIL credit score").click()
    expect(page.get_by_label("CIBIL credit score")).to_be_focused()
    expect(page.get_by_label("CIBIL credit score")).to_have_accessible_description(
        "Error: Must be a whole number from 300 to 900."
    )


def test_a_decision_is_found_by_its_id_and_replayed(visit: Visit, reviewers: Reviewers) -> None:
    decision = reviewers.decide(cibil_score=310)
    page = visit.page
    page.get_by_role("link", name="Decisions").click()
    page.get_by_label("Id of a decision, batch or request").fill(decision)
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="Principal reason", exact=True)).to_be_visible()
    page.get_by_role("button", name="Replay now").click()
    expect(page.get_by_text("The same to the last bit.")).to_be_visible()
    page.reload()
    assert visit.errors == []


def test_decisions_are_filtered_and_a_row_opens_by_a_click_anywhere(visit: Visit, reviewers: Reviewers) -> None:
    reviewers.decide(cibil_score=890)
    page = visit.page
    page.get_by_role("link", name="Decisions").click()
    page.get_by_label("Model says").select_option("Approved")
    page.get_by_role("button", name="Search").click()
    rows = page.get_by_role("row")
    expect(rows.nth(1)).to_contain_text("Approved")
    expect(page.get_by_label("Model says")).to_have_value("1")
    # The link covers the whole row.
    box = rows.nth(1).get_by_role("cell").last.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 5, box["y"] + 5)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Decision of")
    assert visit.errors == []


def test_the_model_is_shown_with_diagram_drift_and_card(visit: Visit, reviewers: Reviewers) -> None:
    reviewers.decide()
    page = visit.page
    page.get_by_role("link", name="Model").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Model 1.0.0")
    expect(page.get_by_role("img", name="Reliability diagram")).to_be_visible()
    page.get_by_text("Distributions bin by bin").click()
    expect(page.get_by_role("table", name="The time to repay the loan")).to_be_visible()
    expect(page.get_by_role("heading", name="Model card", exact=True)).to_be_visible()
    assert visit.errors == []


class TestReviews:
    def test_from_the_sign_in_to_a_decided_referral_it_takes_four_clicks(
        self, browser: Browser, reviewers: Reviewers
    ) -> None:
        decision = reviewers.refer()
        with visiting(browser, reviewers.service.url("/")) as visit:
            page = visit.page
            page.get_by_label("API key").fill(reviewers.jane)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("button", name="Review next").click()
            expect(page.get_by_text("Contributions")).to_be_visible()
            assert page.url.endswith(f"/desk/reviews/{decision}")
            page.get_by_label("Reason").fill("income verified")
            page.get_by_label("Note").fill("<b>Slips</b> seen.")
            page.get_by_role("button", name="Approve").click()
            expect(page.get_by_role("status")).to_contain_text("Your decision is recorded.")
            page.get_by_role("link", name="Look at it again").click()
            expect(page.get_by_role("blockquote")).to_have_text("<b>Slips</b> seen.")
            assert visit.errors == []

    def test_one_of_two_reviewers_who_claim_at_once_is_refused(self, browser: Browser, reviewers: Reviewers) -> None:
        decision = reviewers.refer()
        joe = reviewers.key("joe")
        wait_until(lambda: _is_accepted(reviewers.service, joe), "the key to be in force", 20)
        url = reviewers.service.url(f"/desk/reviews/{decision}")
        with visiting(browser, url) as hers, visiting(browser, url) as his:
            for visit, key in ((hers, reviewers.jane), (his, joe)):
                sign_in(visit.page, key)
                expect(visit.page.get_by_role("button", name="Claim")).to_be_visible()
            hers.page.get_by_role("button", name="Claim").click()
            expect(hers.page.get_by_role("button", name="Approve")).to_be_visible()
            his.page.get_by_role("button", name="Claim").click()
            expect(his.page.get_by_role("alert")).to_contain_text("The referral is claimed by jane.")
            expect(his.page.get_by_role("button", name="Approve")).to_have_count(0)
            hers.page.get_by_label("Reason").fill("too risky")
            hers.page.get_by_role("button", name="Decline").click()
            his.page.goto(url)
            expect(his.page.get_by_text("jane decided on")).to_be_visible()


class TestSignIn:
    def test_a_wrong_key_is_refused_and_nothing_is_said_about_it(self, browser: Browser, reviewers: Reviewers) -> None:
        with visiting(browser, reviewers.service.url(SIGN_IN)) as visit:
            page = visit.page
            page.get_by_label("API key").fill("loan_wrong")
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("alert")).to_contain_text("This sign-in was refused.")
            expect(page.get_by_label("API key")).to_have_value("")
            expect(page.get_by_label("API key")).to_be_focused()

    def test_a_sign_in_ends_with_its_key_and_returns_to_the_page_after_another(
        self, browser: Browser, reviewers: Reviewers
    ) -> None:
        key = reviewers.key("leaver")
        wait_until(lambda: _is_accepted(reviewers.service, key), "the key to be in force", 20)
        with visiting(browser, reviewers.service.url("/desk/decisions?prediction=1")) as visit:
            page = visit.page
            sign_in(page, key)
            reviewers.revoke("leaver")

            def has_ended() -> bool:
                page.goto(reviewers.service.url("/desk/decisions?prediction=1"))
                return page.get_by_text("Your sign-in has ended.").is_visible()

            wait_until(has_ended, "the sign-in to end", 20)
            sign_in(page, reviewers.jane)
            assert urlsplit(page.url).path == "/desk/decisions"
            expect(page.get_by_label("Model says")).to_have_value("1")

    def test_a_form_with_a_wrong_token_changes_nothing(self, visit: Visit) -> None:
        page = visit.page
        page.get_by_role("link", name="Try").click()
        page.evaluate("document.querySelectorAll('[name=csrf_token]').forEach(each => { each.value = 'x' })")
        page.get_by_role("button", name="Decide and record").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing was changed")
        page.get_by_role("link", name="Continue").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    def test_signing_out_closes_the_pages(self, visit: Visit, reviewers: Reviewers) -> None:
        visit.page.get_by_role("button", name="Sign out").click()
        expect(visit.page.get_by_label("API key")).to_be_visible()
        visit.page.goto(reviewers.service.url("/desk/decisions"))
        expect(visit.page.get_by_label("API key")).to_be_visible()

    def test_a_link_on_another_site_opens_the_page_without_another_sign_in(
        self, visit: Visit, reviewers: Reviewers
    ) -> None:
        page = visit.page
        # To the browser, the other name of this host is another site.
        page.goto(f"http://localhost:{reviewers.service.port}/docs")
        target = reviewers.service.url("/desk/decisions")
        page.evaluate("url => { location.href = url }", target)
        expect(page.get_by_role("heading", level=1)).to_have_text("Decisions")

    def test_scripts_cannot_read_the_cookie(self, visit: Visit) -> None:
        assert visit.page.evaluate("document.cookie") == ""
        (cookie,) = visit.page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/desk")


def test_the_desk_works_behind_a_path_prefix(browser: Browser, reviewers: Reviewers, proxied: Proxied) -> None:
    address = proxied(reviewers.service)
    with visiting(browser, f"{address}/") as visit:
        page = visit.page
        sign_in(page, reviewers.jane)
        page.get_by_role("link", name="Try").click()
        page.get_by_role("button", name="Decide and record").click()
        expect(page.locator("#result")).to_contain_text("Recorded decision")
        page.locator("#result").get_by_role("link").click()
        page.get_by_role("button", name="Replay now").click()
        expect(page.get_by_text("The same to the last bit.")).to_be_visible()
        page.get_by_role("navigation", name="Breadcrumb").get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Decisions")
        (cookie,) = page.context.cookies()
        assert (cookie["path"], cookie["secure"]) == (f"{PREFIX}/desk", True)
        assert {urlsplit(url).path.startswith(f"{PREFIX}/") for url in visit.requested} == {True}
        assert visit.errors == []


def test_the_desk_works_without_scripts(browser: Browser, reviewers: Reviewers) -> None:
    with visiting(browser, reviewers.service.url("/"), java_script_enabled=False) as visit:
        page = visit.page
        sign_in(page, reviewers.jane)
        page.get_by_role("link", name="Try").click()
        page.get_by_label("CIBIL credit score").fill("310")
        page.get_by_role("button", name="Decide and record").click()
        page.locator("#result").get_by_role("link").click()
        page.get_by_role("button", name="Replay now").click()
        expect(page.get_by_text("The same to the last bit.")).to_be_visible()
        expect(page.get_by_role("button", name="Copy")).to_be_hidden()


def test_the_keyboard_is_enough(browser: Browser, reviewers: Reviewers) -> None:
    with visiting(browser, reviewers.service.url("/desk/try")) as visit:
        page, press = visit.page, visit.page.keyboard.press
        expect(page.get_by_label("API key")).to_be_focused()
        page.keyboard.type(reviewers.jane)
        press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Try an application")
        press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        press("Enter")
        expect(page.locator("main")).to_be_focused()
        tab_to(page, "CIBIL credit score")
        press("Control+a")
        page.keyboard.type("310")
        press("Enter")
        expect(page.locator("#result")).to_be_focused()
        expect(page.locator("#result")).to_contain_text("Simulation")


def tab_to(page: Page, label: str) -> None:
    """Press the tab key until the field with the label has the focus."""
    field = page.get_by_label(label)
    for _ in range(60):
        page.keyboard.press("Tab")
        if field.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{label} cannot be reached")


Open = Callable[[Page, Reviewers], None]


def _go(path: str) -> Open:
    def go(page: Page, reviewers: Reviewers) -> None:
        page.goto(reviewers.service.url(path))

    return go


def _a_result(page: Page, reviewers: Reviewers) -> None:
    page.goto(reviewers.service.url("/desk/try"))
    page.get_by_label("CIBIL credit score").fill("310")
    page.get_by_role("button", name="Simulate").click()


def _errors(page: Page, reviewers: Reviewers) -> None:
    page.goto(reviewers.service.url("/desk/try"))
    page.get_by_label("CIBIL credit score").fill("no")
    page.get_by_role("button", name="Simulate").click()


def _a_replay(page: Page, reviewers: Reviewers) -> None:
    page.goto(reviewers.service.url(f"/desk/decisions/{reviewers.decide(cibil_score=310)}"))
    page.get_by_role("button", name="Replay now").click()


def _a_batch(page: Page, reviewers: Reviewers) -> None:
    body = {"instances": [application(), application(cibil_score=310)]}
    headers = {"X-API-Key": reviewers.jane}
    response = requests.post(reviewers.service.url("/predict/batch"), json=body, headers=headers, timeout=20)
    page.goto(reviewers.service.url(f"/desk/decisions/{response.json()['batch_id']}"))


def _the_model(page: Page, reviewers: Reviewers) -> None:
    reviewers.decide()
    page.goto(reviewers.service.url("/desk/model"))
    for summary in page.locator("summary").all():
        summary.click()


def _a_review(page: Page, reviewers: Reviewers) -> None:
    page.goto(reviewers.service.url(f"/desk/reviews/{reviewers.refer()}"))
    page.get_by_role("button", name="Claim").click()


def _a_refused_review(page: Page, reviewers: Reviewers) -> None:
    _a_review(page, reviewers)
    page.get_by_label("Reason").fill("!")
    page.get_by_role("button", name="Decline").click()


def _a_review_to_override(page: Page, reviewers: Reviewers) -> None:
    _a_review(page, reviewers)
    page.get_by_label("Reason").fill("fine")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("link", name="Look at it again").click()
    page.get_by_text("Override this decision").click()


PAGES: dict[str, Open] = {
    "reviews": _go("/desk/reviews"),
    "claimed reviews": _go("/desk/reviews?status=claimed"),
    "review": _a_review,
    "refused review": _a_refused_review,
    "review to override": _a_review_to_override,
    "try": _go("/desk/try"),
    "result": _a_result,
    "errors": _errors,
    "decisions": _go("/desk/decisions"),
    "nothing found": _go("/desk/decisions?from=2001-01-01&to=2001-01-02"),
    "wrong filter": _go("/desk/decisions?from=2001-01-02&to=2001-01-01"),
    "decision": _a_replay,
    "batch": _a_batch,
    "model": _the_model,
    "not found": _go("/desk/nowhere"),
}
SIZES = {"desk": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def accessibility(tmp_path_factory: pytest.TempPathFactory) -> Accessibility:
    return Accessibility.installed(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        ("desk", "light"),
        pytest.param("desk", "dark", marks=pytest.mark.torture),
        pytest.param("phone", "light", marks=pytest.mark.torture),
        ("phone", "dark"),
    ],
)
def test_every_page_is_accessible_and_fits(
    browser: Browser, reviewers: Reviewers, accessibility: Accessibility, size: str, scheme: str
) -> None:
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    with visiting(browser, reviewers.service.url(SIGN_IN), color_scheme=scheme, viewport=viewport) as visit:
        page = visit.page
        problems = {"sign in": accessibility.problems(page)}
        sign_in(page, reviewers.jane)
        for name, go in PAGES.items():
            go(page, reviewers)
            problems[name] = accessibility.problems(page)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                problems[name].append("it is wider than the window")
    assert len(problems) == len(PAGES) + 1
    assert {name: found for name, found in problems.items() if found} == {}


HOSTILE = '<img src=x onerror=\\"window.hacked=1\\"><script>window.hacked=1</script>\''


def test_no_text_of_a_form_or_policy_is_active_on_a_page(browser: Browser, tmp_path: Path) -> None:
    """Check texts that reach pages by a form and a policy; those of records are checked without a browser."""
    form = SHIPPED.text.replace("Loan approval", HOSTILE).replace('description = "', f'description = "{HOSTILE} ')
    form = form.replace('unit = "people"', f'unit = "{HOSTILE}"').replace('"Not Graduate"', f'"{HOSTILE}"')
    policy = POLICY.read_text(encoding="utf-8").replace('version = "', f'version = "{HOSTILE[:30]}')
    (tmp_path / "form.toml").write_text(form, encoding="utf-8")
    (tmp_path / "policy.toml").write_text(policy, encoding="utf-8")
    key = add_key(tmp_path / "keys.json", "jane", ("score", "audit", "review"), datetime.now(UTC))
    with started_service(
        tmp_path,
        ready=False,
        FEATURES_PATH=str(tmp_path / "form.toml"),
        POLICY_PATH=str(tmp_path / "policy.toml"),
        API_KEYS_FILE=str(tmp_path / "keys.json"),
    ) as service:
        wait_until(lambda: _is_alive(service), "the service to answer", 60)
        with visiting(browser, service.url("/desk/try")) as visit:
            page = visit.page
            sign_in(page, key)
            for path in ("/desk/try", "/desk/decisions", f"/desk/decisions?model_version={HOSTILE}", "/desk/nowhere"):
                page.goto(service.url(path))
                assert page.evaluate("window.hacked") is None
                assert page.locator("img").count() == 0
                assert page.locator("script").count() == 1
            page.goto(service.url("/desk/try"))
            expect(page.get_by_text("<img src=x").first).to_be_visible()
