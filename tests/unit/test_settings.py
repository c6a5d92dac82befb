"""Settings: defaults, errors, and the document that lists them."""

from pathlib import Path

import pytest

from loan_api.settings import PROJECT_ROOT, SettingsError, declared_settings, read_settings


def test_defaults_lie_under_loan_home(tmp_path: Path) -> None:
    settings = read_settings({"LOAN_HOME": str(tmp_path)})
    assert settings.mlflow_tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert settings.database_url == f"sqlite:///{tmp_path}/decisions.db"
    assert settings.metrics_password_file == tmp_path / "metrics_password"
    assert settings.artifacts_path == tmp_path / "mlartifacts"
    assert settings.port == 5000
    assert settings.dataset_path is None


def test_a_relative_loan_home_becomes_absolute() -> None:
    assert read_settings({"LOAN_HOME": "somewhere"}).loan_home == Path.cwd() / "somewhere"


@pytest.mark.parametrize("beneath", ["", "/home", "/some/home"])
def test_a_loan_home_that_is_a_file_or_in_one_is_named(tmp_path: Path, beneath: str) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match=f"^LOAN_HOME must be a directory; {file} is none$"):
        read_settings({"LOAN_HOME": f"{file}{beneath}"})


def test_a_loan_home_that_cannot_be_looked_at_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^LOAN_HOME cannot be used: File name too long$"):
        read_settings({"LOAN_HOME": "/" + "x" * 300})


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings({"PORT": "", "DATASET_PATH": ""}) == read_settings({})


def test_a_dollar_in_a_given_value_is_left_alone() -> None:
    assert read_settings({"DATABASE_URL": "postgresql://u:pa$LOAN_HOME@h/d"}).database_url.endswith("pa$LOAN_HOME@h/d")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"PORT": "eighty", "WEB_CONCURRENCY": "0", "LOG_LEVEL": "loud", "MODEL_POLL_SECONDS": "-1"})
    problems = str(caught.value).splitlines()
    assert [line.split()[0] for line in problems] == ["PORT", "WEB_CONCURRENCY", "MODEL_POLL_SECONDS", "LOG_LEVEL"]


def test_a_wrong_value_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"PORT": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////srv/loans/decisions.db",
        "sqlite+pysqlite:///decisions.db",
        "postgresql://loan:pass%40word@db.example:5432/decisions?sslmode=require",
        "postgresql+psycopg://loan@[::1]:5432/decisions",
        "postgresql:///decisions?host=/var/run/postgresql",
    ],
)
def test_a_database_is_a_file_or_on_postgresql(url: str) -> None:
    assert read_settings({"DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://loan:hunter@2:x@db.example/decisions",
        "postgresql://loan:hunter@2@db.example/decisions",
        "postgresql://loan:hunter2@db.example:port/decisions",
        "postgresql+psycopg2://loan:hunter2@db.example/decisions",
        "postgres://loan:hunter2@db.example/decisions",
        "mysql://loan:hunter2@db.example/decisions",
        "loan:hunter2",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:decisions.db?uri=true",
        "sqlite:///decisions.db?timeout=20",
    ],
)
def test_any_other_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL must be sqlite:///FILE or postgresql://") as caught:
        read_settings({"DATABASE_URL": url})
    assert "hunter" not in str(caught.value)


def test_without_a_file_of_keys_none_is_looked_for() -> None:
    assert read_settings({}).api_keys_file is None


def test_the_file_of_keys_keeps_its_name_where_it_is_a_link(tmp_path: Path) -> None:
    """A mounted secret changes by its link being turned to another file."""
    link = tmp_path / "keys.json"
    link.symlink_to(tmp_path / "first.json")
    assert read_settings({"API_KEYS_FILE": str(link)}).api_keys_file == link


def test_the_document_of_settings_is_current() -> None:
    """`docs/settings.md` lists every setting with its default and meaning, in declared order."""
    rows = [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in declared_settings()]
    assert "\n".join(rows) in (PROJECT_ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
