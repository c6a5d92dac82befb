"""Files that lie in memory, to hand a large body to another process."""

import os
from tempfile import TemporaryFile
from typing import IO


def in_memory_file() -> IO[bytes]:
    """A file that lies in memory where the system has such files, and is gone once nobody has it open."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("batch"), "w+b", buffering=0)
    return TemporaryFile(buffering=0)
