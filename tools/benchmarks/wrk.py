"""Closed-loop load of single requests by wrk, which leaves most processor time to the server."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HOW_TO_INSTALL = (
    "wrk, which generates the load of single requests, is missing: apt-get install wrk, or brew install wrk"
)
_SCRIPT = Path(__file__).with_name("post.lua")
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class WrkResult:
    """Successful answers per second, their latency, and the number of failures: not 2xx, or no answer."""

    per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    failed: int


def is_installed() -> bool:
    """Return whether wrk is on the PATH."""
    return shutil.which("wrk") is not None


def wrk_version() -> str:
    """Return wrk's version."""
    # wrk prints its version, then fails because no URL is given.
    version = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)  # noqa: S607
    return version.stdout.partition("[")[0].strip()


def run_wrk(url: str, bodies: Sequence[bytes], connections: int, seconds: int) -> WrkResult:
    """Post `bodies` in rotation over `connections` for `seconds`. Raises RuntimeError if wrk fails."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "bodies")
        file.write_bytes(b"\n".join(bodies) + b"\n")
        command = ("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={_TIMEOUT_SECONDS}s", "-s")
        finished = subprocess.run([*command, _SCRIPT, url, "--", file], capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise RuntimeError(f"wrk failed: {finished.stderr.strip() or finished.stdout.strip()}")
    return read_result(finished.stdout)


def read_result(output: str) -> WrkResult:
    """Parse the result, the last line that the script prints."""
    summary = json.loads(output.splitlines()[-1])
    failed = sum(summary[kind] for kind in ("status", "connect", "read", "write", "timeout"))
    return WrkResult(
        per_second=(summary["answers"] - summary["status"]) / (summary["microseconds"] / 1e6),
        p50_milliseconds=summary["p50"] / 1000,
        p99_milliseconds=summary["p99"] / 1000,
        failed=failed,
    )
