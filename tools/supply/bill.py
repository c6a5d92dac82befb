"""Write each image's bill of materials (CycloneDX JSON) into LOAN_HOME/sbom: `python -m tools.supply.bill`.

cyclonedx-py reads the lock; licences, which a lock lacks, come from the same source as those in docs/licences.md.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from loan_api.settings import PROJECT_ROOT, read_settings
from tools.supply.licences import licence_of
from tools.supply.locks import FOLDER

IMAGES = ("serve", "train")


def bill_of(lock: Path) -> dict[str, Any]:
    """Return every package of the lock with version, hashes and licence. The result is reproducible."""
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(lock), "--of", "JSON"]
    command += ["--pyproject", str(PROJECT_ROOT / "pyproject.toml"), "--output-reproducible", "--no-validate"]
    generated = subprocess.run(command, check=True, capture_output=True)
    bill: dict[str, Any] = json.loads(generated.stdout)
    for component in bill["components"]:
        # The description only repeats the line of the lock; the hashes have their own field.
        del component["description"]
        component["licenses"] = [{"expression": licence_of(component["name"]), "acknowledgement": "declared"}]
    return bill


def write_bills(folder: Path) -> list[Path]:
    """Write one file per image and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for image in IMAGES:
        path = folder / f"{image}.cdx.json"
        path.write_text(json.dumps(bill_of(FOLDER / f"{image}.txt"), indent=2) + "\n", encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    for path in write_bills(read_settings().home.bills_of_materials):
        print(path)  # noqa: T201  # the command's output
