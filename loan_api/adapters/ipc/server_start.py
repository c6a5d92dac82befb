"""When the server started that this process belongs to."""

import os
from time import monotonic

# Handed from the master to the workers.
VARIABLE = "LOAN_SERVER_STARTED"


def server_start() -> float:
    """Seconds of the monotonic clock, which is one for the machine; outside gunicorn, now."""
    return float(os.environ.get(VARIABLE) or monotonic())
