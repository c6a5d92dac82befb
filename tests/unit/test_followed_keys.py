"""Changes to the key file take effect; a broken file leaves the previous keys in force."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from loan_api.adapters.keys.file import add_key, remove_key
from loan_api.adapters.keys.followed import FollowedKeys, NoKeys, check_key_file
from loan_api.settings import SettingsError
from tests.support.fakes import NOW


@dataclass
class Clock:
    """A clock controlled by the test."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    add_key(path, "shop", ["score"], NOW)
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def followed(path: Path, clock: Clock) -> FollowedKeys:
    return FollowedKeys(path, clock=clock)


def names(followed: FollowedKeys) -> list[str]:
    return [key.name for key in followed.in_force()]


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_change_is_in_force_a_second_later_and_not_looked_for_before(
    followed: FollowedKeys, path: Path, clock: Clock
) -> None:
    add_key(path, "newcomer", ["score"], NOW)
    clock.seconds += 0.99
    assert names(followed) == ["shop"]
    clock.seconds += 0.02
    assert names(followed) == ["shop", "newcomer"]
    remove_key(path, "shop")
    clock.seconds += 1.01
    assert names(followed) == ["newcomer"]


def test_a_file_written_in_place_is_followed_too(followed: FollowedKeys, path: Path, clock: Clock) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("shop", "shed"), encoding="utf-8")
    clock.seconds += 1.01
    assert names(followed) == ["shed"]


def test_a_link_that_is_turned_to_another_file_is_followed(tmp_path: Path, path: Path, clock: Clock) -> None:
    other = tmp_path / "other.json"
    add_key(other, "other", ["score"], NOW)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    followed = FollowedKeys(link, clock=clock)
    turned = tmp_path / "turned"
    turned.symlink_to(other)
    turned.replace(link)
    clock.seconds += 1.01
    assert names(followed) == ["other"]


@pytest.mark.parametrize("broken", ["half a fi", '{"keys": [{}]}', "", None])
def test_while_the_file_is_broken_the_keys_of_before_stay_and_it_is_logged_once(
    followed: FollowedKeys, path: Path, clock: Clock, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    good = path.read_text(encoding="utf-8").replace("shop", "mended")
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken, encoding="utf-8")
    for _ in range(3):
        clock.seconds += 1.01
        assert names(followed) == ["shop"]
        assert followed.problem is not None
        assert "previous keys stay in force" in followed.problem
        assert str(path) not in followed.problem
    (line,) = errors(caplog)
    assert line.path == str(path)  # type: ignore[attr-defined]
    path.write_text(good, encoding="utf-8")
    clock.seconds += 1.01
    assert followed.problem is None
    assert names(followed) == ["mended"]


def test_another_problem_is_logged_again(
    followed: FollowedKeys, path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("{}", "{}", "nonsense"):
        path.write_text(text, encoding="utf-8")
        clock.seconds += 1.01
        assert names(followed) == ["shop"]
    assert len(errors(caplog)) == 2


def test_the_same_file_back_again_is_no_problem_any_more(followed: FollowedKeys, path: Path, clock: Clock) -> None:
    moved = path.with_name("moved")
    path.rename(moved)
    clock.seconds += 1.01
    assert followed.problem is not None
    moved.rename(path)
    clock.seconds += 1.01
    assert followed.problem is None


@pytest.mark.parametrize("broken", ["nonsense", None])
def test_it_does_not_start_with_a_broken_file(path: Path, broken: str | None) -> None:
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken, encoding="utf-8")
    for start in (FollowedKeys, check_key_file):
        with pytest.raises(SettingsError, match=f"API_KEYS_FILE names {path}, which is unusable"):
            start(path)


class TestKeptKeys:
    """A broken file must not stop a worker that replaces another."""

    def test_a_worker_that_comes_later_has_the_keys_in_force(self, path: Path, tmp_path: Path, clock: Clock) -> None:
        kept = tmp_path / "kept.json"
        earlier = FollowedKeys(path, kept, clock)
        add_key(path, "newcomer", ["score"], NOW)
        clock.seconds += 1.01
        assert names(earlier) == ["shop", "newcomer"]
        path.write_text("nonsense", encoding="utf-8")
        later = FollowedKeys(path, kept, clock)
        assert names(later) == ["shop", "newcomer"]
        assert later.problem is not None
        assert kept.stat().st_mode & 0o777 == 0o600

    def test_a_file_that_is_good_counts_and_not_what_was_kept(self, path: Path, tmp_path: Path) -> None:
        kept = tmp_path / "kept.json"
        FollowedKeys(path, kept)
        add_key(path, "newcomer", ["score"], NOW)
        remove_key(path, "shop")
        assert names(FollowedKeys(path, kept)) == ["newcomer"]

    def test_where_they_cannot_be_kept_the_file_counts_all_the_same(self, path: Path, tmp_path: Path) -> None:
        assert names(FollowedKeys(path, tmp_path / "missing" / "kept.json")) == ["shop"]


def test_without_a_file_no_keys_are_configured() -> None:
    assert NoKeys().in_force() is None
    assert NoKeys().problem is None
