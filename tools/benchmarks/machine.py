"""Description of the machine that runs the benchmark."""

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from loan_api.settings import PROJECT_ROOT

_LIBRARIES = (
    "flask",
    "gunicorn",
    "gevent",
    "msgspec",
    "numpy",
    "onnxruntime",
    "lightgbm",
    "scikit-learn",
    "pandas",
    "mlflow",
    "uvicorn",
)


def describe_machine(load_tool: str) -> dict[str, str]:
    """Return the processor, system, versions, and the load average before the first measurement."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory / 2**30:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": ", ".join(_versions()),
        "tools": f"{load_tool}; the benchmark's own clients",
        "commit": _commit(),
        "load average before": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _versions() -> Iterator[str]:
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            yield f"{library} {version(library)}"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    with suppress(OSError):
        return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return "unknown"
