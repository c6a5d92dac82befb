"""Programs that use a generated client, type-checked as its users would."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.clients.npm import NODE
from tools.clients.programs import run
from tools.clients.typescript_package import COMPILER

_TYPESCRIPT = {
    "strict": True,
    "module": "nodenext",
    "target": "es2022",
    "lib": ["es2022", "dom"],
    "types": [],
    "noEmit": True,
}

Program = list[str | Path]


def examples(text: str, language: str) -> str:
    """Return the program formed by a document's examples in one language."""
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL))


def checked_python(folder: Path, texts: Mapping[str, str]) -> list[Program]:
    """Type-check the client in `folder` with these programs, by name, and return their commands."""
    files = [folder / f"{name}.py" for name in texts]
    for file, text in zip(files, texts.values(), strict=True):
        file.write_text(text, encoding="utf-8")
    package = folder / "python"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--explicit-package-bases"]
    checked = [package / "loan_api_client", *files]
    run([*mypy, "--cache-dir", folder / "mypy", *checked], folder, {"MYPYPATH": str(package)})
    return [[sys.executable, file] for file in files]


def checked_typescript(folder: Path, texts: Mapping[str, str]) -> list[Program]:
    """Type-check the client in `folder` with these programs, by name, and return their commands."""
    callers = folder / "callers"
    (callers / "node_modules").mkdir(parents=True)
    (callers / "node_modules" / "loan_api_client").symlink_to(folder / "typescript")
    (callers / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (callers / "tsconfig.json").write_text(json.dumps({"compilerOptions": _TYPESCRIPT}), encoding="utf-8")
    files = [callers / f"{name}.ts" for name in texts]
    for file, text in zip(files, texts.values(), strict=True):
        file.write_text(text, encoding="utf-8")
    run([NODE, folder / "generator" / COMPILER, "-p", callers], folder)
    return [[NODE, file] for file in files]
