"""The announcement on the terminal when a new service becomes ready."""

import json
import os
import shlex
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress

from loan_api.credit.form import read_form
from loan_api.settings import read_settings

_WAIT_SECONDS = 120
_LOOK_EVERY_SECONDS = 0.25
_SETTLE_SECONDS = 1.0


def announce() -> None:
    """Wait until the service is ready, then print its addresses and a request to paste."""
    settings = read_settings()
    base = settings.base_url
    if not _becomes_ready(f"{base}/health/ready"):
        print(f"The service is not ready after {_WAIT_SECONDS} s; {base}/health shows the reason.", flush=True)
        return
    body = shlex.quote(json.dumps(read_form(settings.features_path).example(), ensure_ascii=False))
    key = " -H 'X-API-Key: …'" if settings.api_keys_file else ""
    print(
        f"""
The service is ready. Press Ctrl-C to stop it.

  Desk           {base}/desk
  Swagger UI     {base}/docs
  OpenAPI        {base}/openapi.json
  Health         {base}/health
  Served model   {base}/model
  Metrics        {base}/metrics   (user {settings.metrics_username}, password in {settings.metrics_password_file})

Request a decision:

  curl -s {base}/predict -H 'Content-Type: application/json'{key} -d {body}
""",
        flush=True,
    )


def _becomes_ready(url: str) -> bool:
    deadline = time.monotonic() + _WAIT_SECONDS
    server = os.getppid()
    while time.monotonic() < deadline:
        if os.getppid() != server:
            sys.exit(1)  # the server has ended and reported why
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # our own http URL
                # Other workers start at the same time; their log lines should not follow the announcement.
                time.sleep(_SETTLE_SECONDS)
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(_LOOK_EVERY_SECONDS)
    return False


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        announce()
