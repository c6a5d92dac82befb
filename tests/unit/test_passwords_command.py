"""`python -m loan_api passwords` writes random passwords for services that read them from files."""

from pathlib import Path

from click.testing import CliRunner

from loan_api.entrypoints.commands import cli


def test_missing_files_get_random_passwords_and_existing_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("chosen\n", encoding="utf-8")
    files = [str(tmp_path / name) for name in ("kept", "first", "second")]
    result = CliRunner().invoke(cli, ["passwords", *files])
    assert (result.exit_code, result.output) == (0, "")
    kept, first, second = (Path(file).read_text(encoding="utf-8").strip() for file in files)
    assert kept == "chosen"
    assert first != second
    assert min(len(first), len(second)) >= 32
    assert (tmp_path / "first").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = CliRunner().invoke(cli, ["passwords", str(tmp_path / "file" / "password")])
    assert result.exit_code == 1
    assert str(tmp_path / "file") in result.output
