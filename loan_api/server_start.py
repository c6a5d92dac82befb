"""When the server started that this process belongs to."""

import os
import time

# Handed from the master to the workers.
VARIABLE = "LOAN_SERVER_STARTED"


def server_start() -> float:
    """Unix seconds; outside gunicorn, now."""
    return float(os.environ.get(VARIABLE) or time.time())
