"""The desk: sign-in, sessions and CSRF."""

import base64
import json
import re
import zlib
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import Client

from loan_api.services.access import ApiKey
from tests.api.conftest import MakeClient
from tests.support.desk import TOKEN, Desk, Page, signed_in
from tests.support.fakes import NOW, FakeKeySource, api_key
from tests.support.scraping import Credentials, labelled, scrape

SHOP, AUDITOR, BOSS = "loan_of-the-shop", "loan_of-the-auditor", "loan_of-the-boss"
KEYS = (
    api_key("shop", "score", text=SHOP),
    api_key("auditor", "audit", text=AUDITOR),
    api_key("boss", "admin", text=BOSS),
)


@pytest.fixture
def keys() -> FakeKeySource:
    return FakeKeySource(list(KEYS))


@pytest.fixture
def client(make_client: MakeClient, keys: FakeKeySource) -> FlaskClient:
    return make_client(keys=keys)


@pytest.fixture
def desk(client: FlaskClient) -> Desk:
    return Desk(client)


def change(keys: FakeKeySource, name: str, changed: ApiKey | None) -> None:
    """Replace the key with that name, or remove it."""
    others = [key for key in KEYS if key.name != name]
    keys.keys = [*others, changed] if changed else others


class TestSignIn:
    def test_a_visitor_is_led_to_the_sign_in_and_then_to_the_page_that_they_wanted(self, desk: Desk) -> None:
        away = desk.open("/desk/try?blank=1")
        assert away.status == 303
        form_url = urljoin("/desk/try", away.location)
        assert form_url == "/desk/sign-in?next=try%3Fblank%3D1"
        form = desk.open(form_url)
        assert form.inputs["next"] == "try?blank=1"
        back = desk.sign_in(SHOP, next=form.inputs["next"])
        assert (back.status, urljoin("/desk/sign-in", back.location)) == (303, "/desk/try?blank=1")
        assert desk.open("/desk/try?blank=1").status == 200

    def test_the_start_leads_to_the_first_page_that_the_key_opens(self, desk: Desk) -> None:
        assert desk.open("/").location == "./desk"
        assert urljoin("/desk", desk.open("/desk").location) == "/desk/sign-in"
        desk.sign_in(SHOP)
        assert urljoin("/desk", desk.open("/desk").location) == "/desk/try"
        assert urljoin("/desk/", desk.open("/desk/").location) == "/desk"
        assert urljoin("/desk/sign-in", desk.open("/desk/sign-in").location) == "/desk"

    @pytest.mark.parametrize("key", ["loan_wrong", "", " ", SHOP[:-1], "shop", "é\x00", "x" * 5000])
    def test_a_key_that_is_not_in_force_is_refused_in_the_same_words(self, desk: Desk, key: str) -> None:
        page = desk.sign_in(key)
        assert page.status == 403
        assert "This sign-in was refused." in page.text
        assert page.inputs.get("api_key") == ""
        assert page.text == desk.sign_in("another").text
        assert desk.open("/desk/try").status == 303

    def test_a_refused_sign_in_is_counted_and_logged_without_the_key(
        self, desk: Desk, client: FlaskClient, metrics_credentials: Credentials, caplog: pytest.LogCaptureFixture
    ) -> None:
        desk.sign_in("loan_wrong")
        samples = scrape(client, metrics_credentials)
        assert samples[labelled("loan_access_refusals_total", reason="unknown_key")] == 1
        (line,) = [record for record in caplog.records if record.message == "access refused"]
        assert vars(line)["route"] == "/desk/sign-in"
        assert "loan_wrong" not in caplog.text

    def test_whitespace_around_a_pasted_key_does_not_matter(self, desk: Desk) -> None:
        assert desk.sign_in(f"  {SHOP}\n").status == 303

    @pytest.mark.parametrize(
        "target",
        [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "..//..//evil.example",
            "a\r\nX: y",
            "../docs",
            "",
        ],
    )
    def test_a_sign_in_leads_to_pages_of_the_desk_only(self, desk: Desk, target: str) -> None:
        page = desk.sign_in(SHOP, next=target)
        assert urljoin("http://here/desk/sign-in", page.location) == "http://here/desk"

    def test_without_keys_the_page_says_how_to_create_one(self, make_client: MakeClient) -> None:
        desk = Desk(make_client())
        page = desk.open("/desk/sign-in")
        assert "python -m loan_api keys add" in page.text
        assert "api_key" not in page.inputs
        assert Page(desk.client.post("/desk/sign-in", data={"api_key": "x"})).status == 400

    def test_without_a_secret_the_page_says_so_and_the_service_decides(
        self, make_client: MakeClient, keys: FakeKeySource, tmp_path: Any
    ) -> None:
        (tmp_path / "empty").write_text("", encoding="utf-8")
        client = make_client(keys=keys, DESK_SECRET_FILE=str(tmp_path / "empty"))
        page = Desk(client).open("/desk/sign-in")
        assert (page.status, "DESK_SECRET_FILE" in page.text) == (200, True)
        assert client.post("/desk/sign-in", data={"api_key": SHOP}).status_code == 400
        assert client.get("/health/ready").status_code == 200

    def test_a_form_that_is_too_large_is_not_read(self, desk: Desk) -> None:
        desk.open("/desk/sign-in")
        page = Page(desk.client.post("/desk/sign-in", data={"api_key": "x" * 100_000}))
        assert (page.status, page.response.mimetype) == (413, "text/html")


class TestSession:
    def test_the_cookie_is_closed_to_scripts_other_sites_and_other_paths(self, desk: Desk) -> None:
        header = desk.sign_in(SHOP).response.headers["Set-Cookie"]
        attributes = {part.strip().partition("=")[0] for part in header.split(";")[1:]}
        assert attributes == {"HttpOnly", "SameSite"}
        assert "SameSite=Strict" in header

    def test_over_https_the_cookie_is_secure(self, client: FlaskClient) -> None:
        page = client.get("/desk/sign-in", base_url="https://desk.example")
        assert "Secure" in page.headers["Set-Cookie"]

    def test_the_cookie_holds_neither_the_key_nor_its_digest(self, desk: Desk) -> None:
        desk.sign_in(SHOP)
        assert desk.cookie
        payload = desk.cookie.removeprefix(".").partition(".")[0]
        content = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        content = zlib.decompress(content) if desk.cookie.startswith(".") else content
        held = json.loads(content)
        assert held["name"] == "shop"
        assert SHOP not in content.decode()
        assert KEYS[0].digest.hex() not in content.decode()

    def test_a_changed_cookie_is_worthless(self, desk: Desk) -> None:
        desk.sign_in(SHOP)
        assert desk.cookie
        desk.client.set_cookie("loan_desk", f"{desk.cookie[:-2]}AA", path="/desk")
        assert desk.open("/desk/try").status == 303

    def test_a_sign_in_survives_restarts_and_other_workers(self, make_client: MakeClient, keys: FakeKeySource) -> None:
        desk = signed_in(make_client(keys=keys), SHOP)
        other = Desk(make_client(keys=keys))
        other.client.set_cookie("loan_desk", desk.cookie or "", path="/desk")
        assert other.open("/desk/try").status == 200

    @pytest.mark.parametrize(
        "changed",
        [
            None,
            api_key("shop", "score", text="loan_of-another-shop"),
            api_key("shop", "score", "audit", text=SHOP),
            api_key("shop", "audit", text=SHOP),
            api_key("renamed", "score", text=SHOP),
        ],
        ids=["revoked", "replaced", "more scopes", "another scope", "renamed"],
    )
    def test_a_sign_in_ends_when_its_key_is_revoked_or_changed(
        self, desk: Desk, keys: FakeKeySource, changed: ApiKey | None
    ) -> None:
        desk.sign_in(SHOP)
        assert desk.open("/desk/try").status == 200
        change(keys, "shop", changed)
        away = desk.open("/desk/try")
        assert away.status == 303
        assert "ended=1" in away.location
        assert "Your sign-in has ended." in desk.open(urljoin("/desk/try", away.location)).text

    def test_a_sign_in_ends_after_eight_hours(self, make_client: MakeClient, keys: FakeKeySource) -> None:
        clock = [NOW]
        desk = signed_in(make_client(keys=keys, now=lambda: clock[0]), SHOP)
        clock[0] = NOW + timedelta(hours=7, minutes=59)
        assert desk.open("/desk/try").status == 200
        clock[0] = NOW + timedelta(hours=8)
        assert desk.open("/desk/try").status == 303
        clock[0] = NOW - timedelta(minutes=1)
        assert desk.open("/desk/try").status == 303

    def test_signing_out_removes_the_cookie(self, desk: Desk) -> None:
        desk.sign_in(SHOP)
        assert desk.submit("/desk/sign-out", {}, form="/desk/try").status == 303
        assert desk.cookie is None
        assert desk.open("/desk/try").status == 303

    def test_a_visitor_from_another_site_keeps_the_sign_in(self, desk: Desk) -> None:
        """Browsers withhold the cookie on the first request; the page reloads itself."""
        page = desk.open("/desk/try", Sec_Fetch_Site="cross-site")
        assert page.status == 200
        assert 'http-equiv="refresh"' in page.html
        assert desk.open("/desk/try", Sec_Fetch_Site="same-origin").status == 303

    @pytest.mark.parametrize("path", ["/predict", "/health", "/model", "/docs", "/keys", "/nowhere", "/"])
    def test_other_endpoints_neither_read_nor_set_cookies(self, desk: Desk, path: str) -> None:
        desk.sign_in(BOSS)
        response = desk.client.get(path, headers={"Cookie": f"loan_desk={desk.cookie}"})
        assert "Set-Cookie" not in response.headers
        assert "Cookie" not in response.headers.get("Vary", "")

    def test_a_sign_in_does_not_open_the_api(self, desk: Desk) -> None:
        desk.sign_in(BOSS)
        assert desk.client.get("/keys", headers={"Cookie": f"loan_desk={desk.cookie}"}).status_code == 401


class TestToken:
    @pytest.mark.parametrize("path", ["/desk/sign-in", "/desk/sign-out", "/desk/try"])
    @pytest.mark.parametrize("token", [None, "", "wrong", "a.b.c"])
    def test_a_form_without_the_token_changes_nothing(self, desk: Desk, path: str, token: str | None) -> None:
        desk.sign_in(SHOP)
        data = {"api_key": BOSS} | ({} if token is None else {TOKEN: token})
        page = Page(desk.client.post(path, data=data))
        assert (page.status, "Nothing was changed" in page.text) == (400, True)
        assert desk.open("/desk/try").status == 200

    def test_the_token_of_another_session_is_refused(self, client: FlaskClient, desk: Desk) -> None:
        stranger = Client(client.application)
        token = Page(stranger.get("/desk/sign-in")).inputs[TOKEN]
        desk.sign_in(SHOP)
        assert desk.client.post("/desk/sign-out", data={TOKEN: token}).status_code == 400

    def test_signing_in_replaces_the_token(self, desk: Desk) -> None:
        before = desk.open("/desk/sign-in").inputs[TOKEN]
        desk.sign_in(SHOP)
        assert desk.client.post("/desk/sign-out", data={TOKEN: before}).status_code == 400


class TestPages:
    def test_every_page_but_the_sign_in_needs_a_sign_in(self, client: FlaskClient, desk: Desk) -> None:
        """Check all routes, so that none can be forgotten."""
        public = {"/desk/sign-in", "/desk/sign-out", "/desk/"}
        rules = [rule for rule in client.application.url_map.iter_rules() if rule.rule.startswith("/desk")]
        closed = [rule for rule in rules if rule.rule not in public and rule.endpoint != "desk_assets.asset"]
        assert len(closed) >= 8
        for rule in closed:
            path = re.sub("<[^>]*>", "x", rule.rule)
            for method in (rule.methods or set()) & {"GET", "POST"}:
                response = desk.client.open(path, method=method, data={TOKEN: "x"} if method == "POST" else None)
                assert response.status_code == 303, rule
                assert urlsplit(urljoin(path, response.headers["Location"])).path == "/desk/sign-in", rule

    def test_a_page_needs_its_scope(self, desk: Desk) -> None:
        desk.sign_in(AUDITOR)
        page = desk.open("/desk/try")
        assert page.status == 403
        assert "requires an API key with the scope score" in page.text
        assert ">Try<" not in page.html

    def test_admin_opens_every_page(self, desk: Desk) -> None:
        desk.sign_in(BOSS)
        assert ">Try<" in desk.open("/desk/try").html

    @pytest.mark.parametrize("path", ["/desk/sign-in", "/desk/try", "/desk/nowhere"])
    def test_a_page_has_a_strict_policy_and_is_not_kept(self, desk: Desk, path: str) -> None:
        if path != "/desk/sign-in":
            desk.sign_in(SHOP)
        headers = desk.open(path).response.headers
        (policy,) = headers.getlist("Content-Security-Policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers.getlist("Cache-Control") == ["no-store"]
        assert headers.getlist("X-Content-Type-Options") == ["nosniff"]

    def test_no_page_has_inline_scripts_or_styles(self, desk: Desk) -> None:
        desk.sign_in(SHOP)
        html = desk.open("/desk/try").html
        assert "<style" not in html
        assert "style=" not in html
        assert " on" + "click=" not in html
        assert html.count("<script") == 1

    def test_files_may_be_kept_and_need_no_sign_in(self, desk: Desk) -> None:
        for name in ("desk.css", "desk.js", "icon.svg"):
            with desk.client.get(f"/desk/assets/{name}") as response:
                assert response.status_code == 200
                assert "max-age" in response.headers["Cache-Control"]
                assert "Set-Cookie" not in response.headers

    @pytest.mark.parametrize("name", ["../pages.py", "%2e%2e/pages.py", "nope.js"])
    def test_only_its_files_are_served(self, desk: Desk, name: str) -> None:
        desk.sign_in(SHOP)
        assert desk.client.get(f"/desk/assets/{name}").status_code == 404

    def test_a_page_that_does_not_exist_leads_back(self, desk: Desk) -> None:
        desk.sign_in(SHOP)
        page = desk.open("/desk/no/such/page")
        assert page.status == 404
        assert 'href="../../../desk"' in page.html
