"""Audit of the locks against a fake source of advisories."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner

from tools.supply.audit import audit


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"flask==3.1.0 \\\n    --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    return lock


@contextmanager
def advisories(known: dict[str, str]) -> Iterator[str]:
    """Run a source that responds as OSV does, with an advisory for each of these packages. Yield its address."""

    class Source(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            package = asked["package"]
            advisory = {"id": known.get(package["name"]), "affected": [{"package": package}]}
            answer = json.dumps({"vulns": [advisory]} if advisory["id"] else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Source) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()


def run(lock: Path, source: str, *arguments: str) -> tuple[int, str]:
    options = ["--lock", str(lock), *arguments, "--", "-s", "osv", "--osv-url", source]
    result = CliRunner().invoke(audit, options)
    return result.exit_code, result.output


def test_an_advisory_of_a_locked_package_fails(lock: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with advisories({"jinja2": "BAD-1", "flask": "BAD-2"}) as source:
        assert run(lock, source) == (1, "")
    assert "flask 3.1.0   BAD-2" in capfd.readouterr().out


def test_without_any_it_passes(lock: Path) -> None:
    with advisories({"jinja2": "BAD-1"}) as source:
        assert run(lock, source)[0] == 0


def test_a_source_that_knows_nothing_is_no_good_news(lock: Path) -> None:
    with advisories({}) as source:
        code, output = run(lock, source)
    assert (code, output) == (2, "NOT AUDITED: the source of security advisories cannot be reached.\n")


def test_where_no_source_is_within_reach_the_checks_can_go_on(lock: Path) -> None:
    nobody = "http://127.0.0.1:9/v1/query"
    code, output = run(lock, nobody, "--where-reachable")
    assert (code, output) == (0, "NOT AUDITED: the source of security advisories cannot be reached.\n")
