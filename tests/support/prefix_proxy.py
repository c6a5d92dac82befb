"""nginx in front of the service, under a path prefix that it strips."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "/loans"
_CONFIGURATION = """
daemon off; pid nginx.pid; error_log nginx.err; worker_processes 1;
events {{}}
http {{
  access_log off;
  # Responses stay in memory: the folder of a test is closed to the user of the worker.
  proxy_max_temp_file_size 0;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    location {prefix}/ {{
      proxy_pass {service}/;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-Prefix {prefix};
      proxy_set_header X-Forwarded-Proto https;
    }}
    location / {{ return 404; }}
  }}
}}
"""


@contextmanager
def prefix_proxy(folder: Path, port: int, service: str) -> Iterator[str]:
    """Run nginx on `port` for the service at the address `service`, and yield the address with the prefix."""
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(port=port, prefix=PREFIX, service=service), encoding="utf-8")
    # Debian installs it in a folder that is only on root's PATH.
    nginx = subprocess.Popen(["/usr/sbin/nginx", "-p", folder, "-c", configuration, "-e", folder / "start.err"])
    try:
        yield f"http://127.0.0.1:{port}{PREFIX}"
    finally:
        nginx.terminate()
        nginx.wait(timeout=30)
