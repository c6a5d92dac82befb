"""Secrets are neither in git nor in an image."""

import re
import subprocess

from loan_api.settings import PROJECT_ROOT

# Private keys, and tokens with a recognisable format: API keys of this service, clouds, code hosts and chats.
KEY_LIKE = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|loan_[A-Za-z0-9_-]{43}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}"
    r"|glpat-[A-Za-z0-9_-]{20}|xox[abprs]-[A-Za-z0-9-]{10}|pypi-[A-Za-z0-9_-]{50}"
)


def git(*arguments: str) -> list[str]:
    finished = subprocess.run(["git", "-C", str(PROJECT_ROOT), *arguments], check=True, capture_output=True, text=True)
    return finished.stdout.splitlines()


def in_the_context() -> list[str]:
    """Return the paths in the build context: only those that `.dockerignore` lists."""
    rules = (PROJECT_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    return [rule[1:] for rule in rules if rule.startswith("!")]


def test_no_commit_has_anything_that_looks_like_a_key() -> None:
    assert git("log", "--extended-regexp", "-G", KEY_LIKE, "--format=%h", "--name-only") == []


def test_keys_would_be_noticed() -> None:
    for secret in ("-----BEGIN RSA " + "PRIVATE KEY-----", "loan" + "_" + "x" * 43, "ghp" + "_" + "a" * 36):
        assert re.search(KEY_LIKE, f"key = {secret}")


def test_images_are_built_from_what_git_knows() -> None:
    """Check that the build context excludes files ignored by git, such as LOAN_HOME, passwords and training data."""
    ignored = git("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "--", *in_the_context())
    assert [path for path in ignored if "__pycache__" not in path] == []


def test_images_are_given_nothing_secret_to_be_built() -> None:
    """Check build arguments and environment variables, which remain readable in the image."""
    text = (PROJECT_ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    given = re.findall(r"^(?:ARG|ENV)\s+(.*)$", text, re.MULTILINE)
    names = {name for line in given for name in re.findall(r"(\w+)=", line)}
    assert names >= {"GIT_COMMIT", "LOAN_HOME"}
    assert not [name for name in names if re.search("PASSWORD|SECRET|TOKEN|KEY|DATABASE_URL|TRACKING_URI", name)]
