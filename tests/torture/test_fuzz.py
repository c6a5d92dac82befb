"""Coverage-guided fuzzing, a minute for each parser."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loan_api.settings import PROJECT_ROOT
from tests.fuzz.targets import targets
from tests.support.figures import record_figures

SECONDS = 60

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason=".venv/bin/python -m pip install atheris"),
]


@pytest.mark.parametrize("name", targets())
def test_nothing_is_found_in_a_minute(name: str, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, f"-max_total_time={SECONDS}"],
        cwd=tmp_path,
        # Keep the corpus in the test's folder.
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr[-10_000:]
    done = re.search(r"Done (\d+) runs in (\d+) second", finished.stderr)
    assert done, finished.stderr[-10_000:]
    seen = re.findall(r"cov: (\d+)", finished.stderr)[-1]
    record_figures(name, {"inputs": int(done[1]), "edges covered": int(seen)}, table="Fuzzed readers")
