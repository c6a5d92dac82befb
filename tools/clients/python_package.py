"""The Python client: attrs models and httpx, blocking and async, made by openapi-python-client."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.clients.document import save, without_optional_security
from tools.clients.programs import run

_CONFIGURATION = Path(__file__).parent / "python"


def generate_python(document: dict[str, Any], package: Path) -> Path:
    """The package in the folder `package`, made anew; nothing of the document is left out without an error.

    Raises ProgramFailedError.
    """
    shutil.rmtree(package, ignore_errors=True)
    with TemporaryDirectory() as folder:
        source = save(without_optional_security(document), Path(folder) / "openapi.json")
        run(
            [
                *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "uv"),
                *("--path", source, "--config", _CONFIGURATION / "generator.yml"),
                *("--custom-template-path", _CONFIGURATION / "templates", "--output-path", package),
            ],
            package.parent,
        )
    return package
