"""`python -m tools.clients`: generate both clients into LOAN_HOME/clients."""

import sys
from pathlib import Path

from loan_api.settings import SettingsError, read_settings
from tools.clients.document import api_document, for_generators, save
from tools.clients.programs import ProgramFailedError
from tools.clients.python_package import generate_python
from tools.clients.typescript_package import generate_typescript


def generate(folder: Path) -> tuple[Path, Path]:
    """Generate both packages in `folder` and return their paths. Raises ProgramFailedError."""
    folder.mkdir(parents=True, exist_ok=True)
    document = api_document()
    save(document, folder / "openapi.json")
    narrowed = for_generators(document)
    return (
        generate_python(narrowed, folder / "python"),
        generate_typescript(narrowed, folder / "typescript", folder / "generator"),
    )


def main() -> None:
    """Run the command."""
    try:
        folder = read_settings().home.clients
        for package in generate(folder):
            sys.stdout.write(f"{package}\n")
    except (SettingsError, ProgramFailedError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
