"""The clients generated for another form type-check, and the example of their README is decided."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loan_api.settings import PROJECT_ROOT
from tests.support.homes import TrainedHome, copy_of
from tests.support.service import Service, started_service
from tests.support.typed_programs import checked_python, checked_typescript, examples
from tools.clients.programs import run

pytestmark = pytest.mark.torture


@pytest.fixture(scope="module")
def lender(german_home: TrainedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a service with the German form."""
    home = copy_of(german_home, tmp_path_factory.mktemp("lender") / "home").settings.loan_home
    with started_service(home) as service:
        yield service


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate both clients, as `make sdk` does with that form."""
    home = tmp_path_factory.mktemp("clients")
    form = PROJECT_ROOT / "dataset" / "german_credit.toml"
    run([sys.executable, "-m", "tools.clients"], PROJECT_ROOT, {"LOAN_HOME": str(home), "FEATURES_PATH": str(form)})
    return home / "clients"


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_their_example_type_checks_and_is_decided(clients: Path, lender: Service, language: str) -> None:
    readme = (clients / language / "README.md").read_text(encoding="utf-8")
    assert "credit_amount" in readme
    assert "cibil_score" not in readme
    check = checked_python if language == "python" else checked_typescript
    (program,) = check(clients, {"readme": examples(readme, language)})
    output = run(program, clients, {"LOAN_API_URL": lender.url(""), "PYTHONPATH": str(clients / "python")})
    assert output.startswith(("approved 0.", "rejected 0."))


def test_their_document_has_the_features_of_the_form(clients: Path) -> None:
    document = json.loads((clients / "openapi.json").read_text(encoding="utf-8"))
    schema = document["components"]["schemas"]["LoanApplication"]
    assert "credit_amount" in schema["properties"]
    assert "cibil_score" not in schema["properties"]
