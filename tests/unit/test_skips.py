"""The last line of a test run installs what skipped tests need."""

from tests.support.skips import debian_packages


def test_every_package_is_named_once() -> None:
    reasons = (
        "('tests/unit/test_web_access.py', 81, 'Skipped: promtool is missing: apt-get install prometheus')",
        "Skipped: promtool is missing: apt-get install prometheus",
        "('a.py', 1, 'Skipped: a clock is compiled for this test; apt-get install gcc libc6-dev')",
        "Skipped: make boosters",
    )
    assert debian_packages(reasons) == ["gcc", "libc6-dev", "prometheus"]


def test_nothing_is_asked_for_if_nothing_is_missing() -> None:
    assert debian_packages(["Skipped: make boosters"]) == []
