"""The image's health check: exits 0 while the service in this container answers."""

import sys
import urllib.error
import urllib.request

from loan_api.settings import read_settings

_TIMEOUT_SECONDS = 4


def probe() -> int:
    """0 where `/health/live` answers 200, else 1."""
    url = f"http://127.0.0.1:{read_settings().port}/health/live"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS):
            return 0
    except (urllib.error.URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(probe())
