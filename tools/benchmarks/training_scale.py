"""Cost of training on more rows: `python -m tools.benchmarks.training_scale [ROWS ...]`.

For each size, generate a dataset, run `python -m training run` in a separate home, and print a row of a Markdown table:
the duration, and the peak memory of all processes together (PSS, sampled every half second).
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from loan_api.credit.form import read_form
from loan_api.settings import PROJECT_ROOT, SHIPPED_FORM
from training.data.sample import write_sample

_REAL_ROWS = 4269
_SIZES = (_REAL_ROWS, 10 * _REAL_ROWS, 100 * _REAL_ROWS)
_SAMPLING_SECONDS = 0.5


def main(sizes: tuple[int, ...]) -> None:
    """Measure every size and print the table."""
    _print("| rows | seconds | peak memory | left out |\n| --- | --- | --- | --- |")
    for rows in sizes:
        seconds, peak, left_out = _measure(rows)
        _print(f"| {rows:,} | {seconds:.0f} | {peak / 2**20:,.0f} MB | {', '.join(left_out) or 'none'} |")


def _measure(rows: int) -> tuple[float, int, list[str]]:
    with TemporaryDirectory() as temporary:
        home = Path(temporary)
        write_sample(read_form(SHIPPED_FORM), home / "data.csv", rows=rows)
        environ = os.environ | {"LOAN_HOME": str(home), "DATASET_PATH": str(home / "data.csv")}
        with (home / "output").open("w") as output:
            started = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-m", "training", "run"], cwd=PROJECT_ROOT, env=environ, stdout=output
            )
            peak = 0
            while process.poll() is None:
                peak = max(peak, _memory_of_tree(process.pid))
                time.sleep(_SAMPLING_SECONDS)
        seconds = time.monotonic() - started
        log = (home / "output").read_text(encoding="utf-8")
    if process.returncode != 0:
        raise SystemExit(f"training on {rows} rows failed:\n{log}")
    return seconds, peak, [line.split()[0] for line in log.splitlines() if "is left out" in line]


def _memory_of_tree(pid: int) -> int:
    """Return the PSS of a process and its descendants in bytes; processes that end meanwhile count as 0."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    own = next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return own + sum(_memory_of_tree(int(child)) for child in children)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or _SIZES)
