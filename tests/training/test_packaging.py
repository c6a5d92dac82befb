"""The code inside a model is part of its identity, so it is limited to the pipeline's needs."""

import json
import subprocess
import sys

from training.registry.packaging import shipped_code

SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import loan_api.credit.bounds, loan_api.credit.derivation
files = (module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "loan_api")
print(json.dumps(sorted(files)))
"""


def test_the_shipped_code_is_exactly_what_the_pipeline_imports() -> None:
    """Rewording an error or a log message of the service must not create another model version."""
    with shipped_code() as code:
        shipped = sorted(str(path) for path in code.rglob("*.py"))
        finished = subprocess.run(
            [sys.executable, "-I", "-B", "-c", SCRIPT, str(code.parent)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stderr
        assert json.loads(finished.stdout) == shipped
        assert {path.relative_to(code).parts[0] for path in code.rglob("*.py")} == {"__init__.py", "credit"}
