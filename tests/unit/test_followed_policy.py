"""Changes to the policy's file take effect; a broken file leaves the previous policy in force and says why."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from loan_api.adapters.policy.followed import FollowedPolicy, check_policy_file
from loan_api.settings import SettingsError
from tests.support.forms import SMALL
from tests.support.policies import TEN_RULES

BROKEN = TEN_RULES.replace("burden > 0.9", "burdens > 0.9").replace("0.75", "75")
PROBLEMS = [
    "bands.approve_from: must be a number from 0 to 1",
    "rules.burden.when: column 1: burdens is not known here",
]


@dataclass
class Clock:
    """A clock controlled by the test."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(TEN_RULES)
    return path


def test_a_change_is_in_force_a_second_later(path: Path) -> None:
    clock = Clock()
    followed = FollowedPolicy(SMALL, path, clock=clock)
    first = followed.in_force()
    assert (first.version, first.text) == ("ten", TEN_RULES)
    path.write_text(TEN_RULES.replace('"ten"', '"new"'))
    clock.seconds += 0.99
    assert followed.in_force() is first
    clock.seconds += 0.02
    assert followed.in_force().version == "new"


def test_the_policy_stays_the_same_object_if_the_text_does(path: Path) -> None:
    clock = Clock()
    followed = FollowedPolicy(SMALL, path, clock=clock)
    first = followed.in_force()
    path.unlink()
    path.write_text("\ufeff" + TEN_RULES)
    clock.seconds += 1.01
    assert followed.in_force() is first
    assert followed.problem is None


def test_a_broken_file_leaves_the_previous_policy_in_force(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    followed = FollowedPolicy(SMALL, path, clock=clock)
    path.write_text(BROKEN)
    for _ in range(3):
        clock.seconds += 1.01
        assert followed.in_force().text == TEN_RULES
        assert followed.problem == (
            "the policy file is unusable, so the previous policy stays in force:"
            " it has 2 errors (bands.approve_from, rules.burden.when)"
        )
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert line.getMessage() == "policy not loaded"
    assert line.problem == "; ".join(PROBLEMS)  # type: ignore[attr-defined]
    path.unlink()
    clock.seconds += 1.01
    assert followed.problem is not None
    assert followed.problem.endswith("stays in force: it does not exist")
    path.write_text(TEN_RULES)
    clock.seconds += 1.01
    assert followed.problem is None


def test_a_number_that_python_cannot_read_does_not_stop_the_service(path: Path) -> None:
    clock = Clock()
    followed = FollowedPolicy(SMALL, path, clock=clock)
    path.write_text(TEN_RULES.replace("0.75", "9" * 5000))
    clock.seconds += 1.01
    assert followed.in_force().text == TEN_RULES
    assert followed.problem is not None


def test_it_does_not_start_with_a_broken_file_and_lists_every_problem(path: Path) -> None:
    path.write_text(BROKEN)
    for start in (FollowedPolicy, check_policy_file):
        with pytest.raises(SettingsError) as caught:
            start(SMALL, path)
        assert str(caught.value).splitlines() == [f"POLICY_PATH: {problem}" for problem in PROBLEMS]
    path.unlink()
    with pytest.raises(SettingsError, match=r"^POLICY_PATH: it does not exist$"):
        check_policy_file(SMALL, path)


def test_a_worker_that_comes_later_has_the_policy_in_force(path: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.toml"
    FollowedPolicy(SMALL, path, kept)
    path.write_text(BROKEN)
    later = FollowedPolicy(SMALL, path, kept)
    assert later.in_force().text == TEN_RULES
    assert later.problem is not None
