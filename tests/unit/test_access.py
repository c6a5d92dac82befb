"""Authorization by scope, unknown keys, and open scoring without keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_api.errors import NotAllowedError, NotAuthenticatedError
from loan_api.services.access import SCOPES, Access, Scope
from tests.support.fakes import FakeKeySource, RecordingObserver, api_key

KEYS = (
    api_key("shop", "score"),
    api_key("auditor", "audit"),
    api_key("boss", "admin"),
    api_key("both", "score", "audit"),
)
ALLOWED = {
    "shop": {"score"},
    "auditor": {"audit"},
    "boss": {"score", "audit", "review", "admin"},
    "both": {"score", "audit"},
}


def access_with(keys: FakeKeySource) -> tuple[Access, RecordingObserver]:
    observer = RecordingObserver()
    return Access(keys, observer), observer


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", ALLOWED)
def test_a_key_allows_its_scopes_and_admin_allows_all(name: str, scope: Scope) -> None:
    access, observer = access_with(FakeKeySource(KEYS))
    if scope in ALLOWED[name]:
        assert access.check(name, scope) == name
        assert observer.events == []
    else:
        with pytest.raises(NotAllowedError, match=f"scope {scope}") as caught:
            access.check(name, scope)
        assert (caught.value.reason, caught.value.key_name) == ("missing_scope", name)
        assert observer.events == [("access refused", "missing_scope")]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(
    ("presented", "reason"), [(None, "missing_key"), ("", "missing_key"), ("stranger", "unknown_key")]
)
def test_missing_and_unknown_keys_look_alike_to_the_client(presented: str | None, reason: str, scope: Scope) -> None:
    access, observer = access_with(FakeKeySource(KEYS))
    with pytest.raises(NotAuthenticatedError) as caught:
        access.check(presented, scope)
    assert str(caught.value) == "This requires a valid API key."
    assert (caught.value.reason, caught.value.key_name) == (reason, None)
    assert observer.events == [("access refused", reason)]


@pytest.mark.parametrize("presented", [None, "anything"])
def test_without_keys_scoring_is_open_and_the_rest_is_refused(presented: str | None) -> None:
    access, observer = access_with(FakeKeySource(None))
    assert access.check(presented, "score") is None
    assert observer.events == []
    for scope in ("audit", "admin"):
        with pytest.raises(NotAllowedError, match="API_KEYS_FILE is not set"):
            access.check(presented, scope)
    assert observer.events == [("access refused", "not_configured")] * 2


@pytest.mark.parametrize("scope", SCOPES)
def test_an_empty_list_of_keys_refuses_everyone(scope: Scope) -> None:
    access, _ = access_with(FakeKeySource(()))
    with pytest.raises(NotAuthenticatedError):
        access.check("shop", scope)


def test_a_removed_key_is_refused_and_an_added_one_accepted() -> None:
    source = FakeKeySource(KEYS)
    access, _ = access_with(source)
    source.keys = (api_key("newcomer", "score"),)
    with pytest.raises(NotAuthenticatedError):
        access.check("shop", "score")
    assert access.check("newcomer", "score") == "newcomer"


@given(presented=st.text())
def test_no_other_text_passes_for_a_key(presented: str) -> None:
    access, _ = access_with(FakeKeySource(KEYS))
    try:
        assert access.check(presented, "score") == presented
    except (NotAuthenticatedError, NotAllowedError):
        assert presented not in ("shop", "boss", "both")


def test_a_key_does_not_show_its_hash() -> None:
    assert api_key("shop", "score").digest.hex()[:8] not in repr(KEYS)
    assert "digest" not in repr(KEYS)


def test_a_presented_key_is_identified_whatever_its_scopes() -> None:
    access, observer = access_with(FakeKeySource(KEYS))
    assert [access.identify(name).name for name in ALLOWED] == list(ALLOWED)
    for presented, reason in (("", "missing_key"), ("nobody", "unknown_key")):
        with pytest.raises(NotAuthenticatedError):
            access.identify(presented)
        assert observer.events[-1] == ("access refused", reason)


def test_without_a_file_no_key_is_identified() -> None:
    access, _ = access_with(FakeKeySource(None))
    assert not access.is_configured
    with pytest.raises(NotAuthenticatedError):
        access.identify("shop")
