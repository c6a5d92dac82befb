"""Files in memory, to hand a large body to another process."""

import os
from tempfile import TemporaryFile
from typing import IO


def in_memory_file() -> IO[bytes]:
    """Return a file that is in memory if the system supports it, and disappears when the last descriptor is closed."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("batch"), "w+b", buffering=0)
    return TemporaryFile(buffering=0)
