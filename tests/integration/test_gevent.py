"""A worker's greenlets keep running while one of them waits for PostgreSQL."""

import os
import subprocess
import sys

import pytest

from loan_api.settings import PROJECT_ROOT
from tests.support.postgresql import Server

# One greenlet waits for a lock that another one releases once it sees the wait; otherwise the statement times out.
_SCRIPT = """
from gevent import monkey
monkey.patch_all()
import os
import gevent
from sqlalchemy import text
from loan_api.adapters.ipc.background import run_in_thread
from loan_api.adapters.storage.database import open_engine
from tests.support.waiting import wait_until

engine = open_engine(os.environ["DATABASE_URL"])

def wait_for_the_lock():
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(1)"))

way = {"in the loop": lambda function: function(), "in a thread": run_in_thread}[os.environ["WAY"]]
with engine.connect() as holder:
    holder.execute(text("SELECT pg_advisory_lock(1)"))
    waiting = gevent.spawn(way, wait_for_the_lock)
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    wait_until(lambda: holder.scalar(waits), "the other greenlet to wait", 20)
    holder.execute(text("SELECT pg_advisory_unlock(1)"))
waiting.get(timeout=20)
"""


@pytest.mark.parametrize("way", ["in the loop", "in a thread"])
def test_a_greenlet_that_waits_for_an_answer_blocks_no_other(postgresql: Server, way: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", _SCRIPT],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": postgresql.new_database(), "WAY": way},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
