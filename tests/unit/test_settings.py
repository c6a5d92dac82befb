"""Settings: defaults, errors, and the document that lists them."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url

from loan_api.adapters.storage.migration import migration_config
from loan_api.home import sqlite_path
from loan_api.secrets import START_CHECKS
from loan_api.settings import PROJECT_ROOT, SettingsError, declared_settings, read_settings
from tests.support.disks import small_disk


def test_defaults_lie_under_loan_home(tmp_path: Path) -> None:
    settings = read_settings({"LOAN_HOME": str(tmp_path)})
    assert settings.mlflow_tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert settings.database_url == f"sqlite:///{tmp_path}/decisions.db"
    assert settings.metrics_password_file == tmp_path / "metrics_password"
    assert settings.home.artifacts == tmp_path / "mlartifacts"
    assert settings.port == 5000
    assert settings.dataset_path is None


def test_a_relative_loan_home_becomes_absolute() -> None:
    assert read_settings({"LOAN_HOME": "somewhere"}).loan_home == Path.cwd() / "somewhere"


@pytest.mark.parametrize("beneath", ["", "/home", "/some/home"])
def test_a_loan_home_that_is_a_file_or_in_one_is_named(tmp_path: Path, beneath: str) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match=f"^LOAN_HOME must be a directory; {file} is not a directory$"):
        read_settings({"LOAN_HOME": f"{file}{beneath}"})


def test_a_loan_home_that_cannot_be_looked_at_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^LOAN_HOME cannot be used: File name too long$"):
        read_settings({"LOAN_HOME": "/" + "x" * 300})


@pytest.mark.parametrize("name", ["50%41", "100%", "a?b", "a#b", "a b", "50%25", "a?mode=ro#%3F"])
def test_any_character_in_loan_home_stays_in_the_paths_of_its_databases(tmp_path: Path, name: str) -> None:
    settings = read_settings({"LOAN_HOME": str(tmp_path / name)})
    for url, file in (
        (settings.database_url, settings.home.decisions_database),
        (settings.mlflow_tracking_uri, settings.home.tracking_database),
    ):
        assert file.parent == tmp_path / name
        assert (make_url(url).database, sqlite_path(url)) == (str(file), file)


def test_a_percent_sign_in_the_path_of_the_checkout_leads_to_its_migrations() -> None:
    config = migration_config("sqlite:///decisions.db", Path("/srv/50%41/migrations"))
    assert config.get_main_option("script_location") == "/srv/50%41/migrations"


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("HOST", "unix", "must be an IP address or a host name"),
        ("HOST", "fd", "must be an IP address or a host name"),
        ("HOST", "unix:/tmp/socket", "must be an IP address or a host name"),
        ("HOST", "localhost:80", "must be an IP address or a host name"),
        ("METRICS_USERNAME", "a:b", "must not contain colons"),
        ("METRICS_USERNAME", "a\nb", "must not contain colons or control characters"),
        ("MODEL_NAME", "a/b", "must consist of letters"),
        ("MODEL_NAME", "a:b", "must consist of letters"),
        ("MODEL_NAME", "a@b", "must consist of letters"),
        ("MODEL_NAME", "it's", "must consist of letters"),
        ("MODEL_NAME", "..", "must consist of letters"),
        ("MLFLOW_TRACKING_URI", "nonsense", "must be sqlite:///FILE"),
        ("MLFLOW_TRACKING_URI", "http://", "must be sqlite:///FILE"),
        ("MLFLOW_TRACKING_URI", "http:host", "must be sqlite:///FILE"),
        ("MLFLOW_TRACKING_URI", "http://[::1", "must be sqlite:///FILE"),
        ("MLFLOW_TRACKING_URI", "file:///tmp/mlruns", "must be sqlite:///FILE"),
        ("MLFLOW_TRACKING_URI", "sqlite:////tmp", "must name a file; /tmp is a directory"),
        ("DATABASE_URL", "sqlite:////tmp", "must name a file; /tmp is a directory"),
    ],
)
def test_a_value_that_would_fail_later_is_refused(variable: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable} {problem}"):
        read_settings({variable: value})


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("127.0.0.1", "http://localhost:5000"),
        ("0.0.0.0", "http://localhost:5000"),
        ("::", "http://localhost:5000"),
        ("[::]", "http://localhost:5000"),
        ("::1", "http://[::1]:5000"),
        ("api.example", "http://api.example:5000"),
    ],
)
def test_the_service_listens_on_an_address_or_a_name(host: str, base_url: str) -> None:
    assert read_settings({"HOST": host}).base_url == base_url


@pytest.mark.parametrize(
    "uri",
    [
        "http://mlflow:5001",
        "https://user:secret@mlflow.example/prefix",
        "postgresql+psycopg2://loan@postgres:5432/mlflow",
        "postgresql:///mlflow",
        "databricks",
        "databricks://profile",
        "sqlite:///mlflow.db",
    ],
)
def test_runs_are_tracked_in_a_file_a_database_or_a_server(uri: str) -> None:
    assert read_settings({"MLFLOW_TRACKING_URI": uri}).mlflow_tracking_uri == uri


def test_the_checks_at_start_report_their_problems_with_all_others(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes("Schlüssel".encode("latin-1"))
    environ = {
        "LOAN_HOME": "/proc/nowhere",
        "PORT": "eighty",
        "METRICS_PASSWORD_FILE": str(tmp_path / "latin"),
        "MODEL_NAME": "a/b",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(environ, START_CHECKS)
    home, port, password, model = str(caught.value).splitlines()
    assert home.startswith("LOAN_HOME cannot be used: ")
    assert port.startswith("PORT must be a whole number")
    assert password.startswith("METRICS_PASSWORD_FILE cannot be used: ")
    assert password.endswith("the file is not UTF-8 text")
    assert model.startswith("MODEL_NAME must consist of")


def test_a_read_only_loan_home_is_reported(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for home in (disk, disk / "new"):
            with pytest.raises(SettingsError, match=r"^LOAN_HOME cannot be used: Read-only file system") as caught:
                read_settings({"LOAN_HOME": str(home)}, START_CHECKS)
            assert "METRICS_PASSWORD_FILE" not in str(caught.value)


def test_the_checks_at_start_leave_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert read_settings({"LOAN_HOME": str(home)}, START_CHECKS).loan_home == home
    assert list(tmp_path.iterdir()) == []


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings({"PORT": "", "DATASET_PATH": ""}) == read_settings({})


def test_a_dollar_in_a_given_value_is_left_alone() -> None:
    assert read_settings({"DATABASE_URL": "postgresql://u:pa$LOAN_HOME@h/d"}).database_url.endswith("pa$LOAN_HOME@h/d")


def test_all_problems_are_reported_together() -> None:
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
    """Keep the link, as a mounted secret is changed by pointing its link to another file."""
    link = tmp_path / "keys.json"
    link.symlink_to(tmp_path / "first.json")
    assert read_settings({"API_KEYS_FILE": str(link)}).api_keys_file == link


def test_the_document_of_settings_is_current() -> None:
    """Check that `docs/settings.md` lists every setting with its default and meaning, in declared order."""
    rows = [f"| `{name}` | {default} | {meaning} |" for name, default, meaning in declared_settings()]
    assert "\n".join(rows) in (PROJECT_ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
