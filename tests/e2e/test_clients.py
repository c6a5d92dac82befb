"""The generated clients: they type-check, and their documented examples run against a service."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from loan_api.settings import PROJECT_ROOT
from tests.support.service import ClosedService
from tests.support.typed_programs import Program, checked_python, checked_typescript, examples
from tools.clients.__main__ import generate
from tools.clients.document import api_document, for_generators
from tools.clients.programs import ProgramFailedError, run

pytestmark = pytest.mark.torture

GUIDE = PROJECT_ROOT / "docs" / "clients.md"
OUTPUT_OF_THE_GUIDE = """\
single: approved 1.0.0
batch: 2 rows, 1 approved
refused: 422 urn:loan-api:problem:invalid-request
- /instances/1/loan_term Must be a whole number from 1 to 50.
- /instances/1/cibil_score Must be a whole number from 300 to 900.
table: 1.0.0 row_id,prediction,probability,decision,rule
found: 778 0
outcome: GOOD
"""


@dataclass(frozen=True)
class Programs:
    """The type-checked examples of the guide and of the package's README in one language."""

    guide: Program
    readme: Program


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate both clients, as `make sdk` does."""
    folder = tmp_path_factory.mktemp("clients")
    generate(folder)
    return folder


@pytest.fixture(scope="module")
def python(folder: Path) -> Programs:
    return Programs(*checked_python(folder, texts_of(folder, "python")))


@pytest.fixture(scope="module")
def typescript(folder: Path) -> Programs:
    return Programs(*checked_typescript(folder, texts_of(folder, "typescript")))


def texts_of(folder: Path, language: str) -> dict[str, str]:
    documents = {"guide": GUIDE, "readme": folder / language / "README.md"}
    return {name: examples(document.read_text(encoding="utf-8"), language) for name, document in documents.items()}


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_a_client_decides_shows_what_is_wrong_and_looks_up_as_its_guide_says(
    closed_service: ClosedService, folder: Path, request: pytest.FixtureRequest, language: str
) -> None:
    program: Programs = request.getfixturevalue(language)
    environ = {
        "LOAN_API_URL": closed_service.service.url(""),
        "LOAN_API_KEY": closed_service.key,
        "PYTHONPATH": str(folder / "python"),
    }
    assert run(program.guide, folder, environ) == OUTPUT_OF_THE_GUIDE


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_without_a_key_the_example_in_the_readme_explains_the_refusal(
    closed_service: ClosedService, folder: Path, request: pytest.FixtureRequest, language: str
) -> None:
    program: Programs = request.getfixturevalue(language)
    environ = {"LOAN_API_URL": closed_service.service.url(""), "PYTHONPATH": str(folder / "python")}
    output = run(program.readme, folder, environ)
    assert output.startswith("refused:")
    assert "401" in output


def test_both_packages_have_the_name_of_the_api_and_the_version_of_its_document(folder: Path) -> None:
    version = api_document()["info"]["version"]
    manifest = json.loads((folder / "typescript" / "package.json").read_text(encoding="utf-8"))
    assert (manifest["name"], manifest["version"]) == ("loan_api_client", version)
    project = (folder / "python" / "pyproject.toml").read_text(encoding="utf-8")
    assert f'name = "loan-api-client"\nversion = "{version}"' in project
    assert (folder / "python" / "loan_api_client" / "py.typed").is_file()


def test_generators_see_no_alternatives_to_json_and_no_relative_server() -> None:
    document = api_document()
    batch = for_generators(document)["paths"]["/predict/batch"]["post"]
    assert list(batch["requestBody"]["content"]) == ["application/json"]
    assert list(batch["responses"]["200"]["content"]) == ["application/json"]
    assert list(batch["responses"]["422"]["content"]) == ["application/problem+json"]
    assert "servers" not in for_generators(document)
    assert len(document["paths"]["/predict/batch"]["post"]["requestBody"]["content"]) == 5


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailedError, match="this is why"):
        run([sys.executable, "-c", "raise SystemExit('this is why')"], tmp_path)


@pytest.mark.parametrize("folder", ["tools/clients/typescript", "tests/support/axe"])
def test_a_lock_of_npm_names_no_registry(folder: str) -> None:
    lock = (PROJECT_ROOT / folder / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
