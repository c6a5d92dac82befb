"""A PostgreSQL server and a PgBouncer pooler for tests, in temporary folders and on free local ports."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from loan_api.adapters.storage.migration import upgrade_database
from loan_api.adapters.storage.tables import metadata
from tests.support.waiting import wait_until

HOW_TO_INSTALL = "PostgreSQL is missing: apt-get install postgresql"
HOW_TO_INSTALL_POOLER = "PgBouncer is missing: apt-get install pgbouncer"
_USER = "loan"
# With a database per test, autovacuum would visit one after another, many times a second.
_QUICK = ("fsync=off", "full_page_writes=off", "autovacuum=off", "unix_socket_directories=")


@dataclass
class Server:
    """A database cluster, running or stopped."""

    folder: Path
    programs: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)
    _kept: str | None = field(default=None)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        settings = [word for setting in (*_QUICK, f"port={self.port}") for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_unprivileged(), self.programs / "postgres", "-D", self.folder / "data", *settings],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, "PostgreSQL to answer", seconds=60)

    def stop(self) -> None:
        """Stop the server immediately; committed data is kept."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGQUIT)
            self.process.wait()
            self.process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the server for the duration of the block: connections stay open, but nothing responds."""
        assert self.process is not None
        pid = self.process.pid
        # The next pass catches backends that are being forked right now.
        stopped: set[int] = set()
        while new := {pid, *_children(pid)} - stopped:
            for each in new:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGSTOP)
            stopped |= new
        try:
            yield
        finally:
            for each in stopped:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGCONT)

    def execute(self, statement: str) -> None:
        """Execute a statement as the owner, outside the tests' databases."""
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"test_{uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def migrated_database(self) -> str:
        """Return the URL of an empty database at the newest revision.

        All callers share one database, emptied each time, as a new one takes eight megabytes in hundreds of files.
        """
        if self._kept is None:
            self._kept = self.new_database()
            upgrade_database(self._kept)
        name = self._kept.rpartition("/")[2]
        with psycopg.connect(self._dsn(name), autocommit=True) as connection:
            # Its previous user may still be connected.
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
            connection.execute(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY CASCADE".encode())
        return self._kept

    def _url(self, database: str) -> str:
        return f"postgresql://{_USER}:secret@127.0.0.1:{self.port}/{database}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._dsn("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user={_USER} password=secret dbname={database}"


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a new server. Skips the test if PostgreSQL is not installed."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="loan-postgresql-"))
    server = Server(folder, programs, _free_port())
    try:
        password = folder / "password"
        password.write_text("secret\n", encoding="utf-8")
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            for path in (folder, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        options = (
            "--auth=scram-sha-256",
            f"--pwfile={password}",
            f"--username={_USER}",
            "--no-sync",
            "--encoding=UTF8",
        )
        make = [*_unprivileged(), str(programs / "initdb"), "-D", str(folder / "data"), *options]
        subprocess.run(make, check=True, capture_output=True)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_pooler(server: Server, url: str) -> Iterator[str]:
    """Run PgBouncer in transaction mode in front of the server; yield the URL of the same database through it.

    It keeps two server connections, so that transactions of one client land on different ones. Skips the test if
    PgBouncer is not installed.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(HOW_TO_INSTALL_POOLER)
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="loan-pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        users, configuration = Path(folder, "users"), Path(folder, "pgbouncer.ini")
        users.write_text(f'"{_USER}" "secret"\n', encoding="utf-8")
        configuration.write_text(
            "[databases]\n"
            f"unreachable = host=127.0.0.1 port={_free_port()}\n"
            f"* = host=127.0.0.1 port={server.port}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\n"
            "pool_mode = transaction\ndefault_pool_size = 2\nserver_round_robin = 1\n"
            "query_wait_timeout = 2\nserver_login_retry = 1\n",
            encoding="utf-8",
        )
        process = subprocess.Popen([*_unprivileged(), program, "-q", str(configuration)], stderr=subprocess.DEVNULL)
        try:
            pooled = url.replace(f":{server.port}/", f":{port}/")
            wait_until(lambda: _accepts(port), "PgBouncer to listen", seconds=30)
            yield pooled
        finally:
            process.kill()
            process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()}


def _programs() -> Path:
    """Return Debian's folder of the server, which is not on the PATH. It may contain only the clients."""
    on_path = shutil.which("initdb")
    places = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *([Path(on_path)] if on_path else [])]
    if not places:
        pytest.skip(HOW_TO_INSTALL)
    return places[0].parent


def _unprivileged() -> tuple[str, ...]:
    """Return a command prefix that drops root, which PostgreSQL refuses, and ends the server with the tests."""
    who = ("--reuid=postgres", "--regid=postgres", "--clear-groups") if os.geteuid() == 0 else ()
    return ("setpriv", *who, "--pdeathsig=QUIT")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
