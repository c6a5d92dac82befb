"""The master's handover reaches workers and child processes unchanged."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from loan_api.adapters.ipc.connection_queue import ConnectionQueue, take
from loan_api.adapters.ipc.handover import Handover
from tests.support.forms import SHIPPED


def test_a_handover_is_read_as_it_was_written(tmp_path: Path) -> None:
    handover = replace(Handover.create(SHIPPED.text, tmp_path / "keys.json"), slot=3)
    assert Handover.read(handover.as_environ()) == handover
    for each in (*handover.batch_queue, *handover.recorder_queue, *handover.lifeline):
        os.close(each)


def test_outside_gunicorn_there_is_none() -> None:
    assert Handover.read({}) is None


def test_a_child_process_uses_the_descriptors_that_were_passed_to_it() -> None:
    handover = Handover.create(SHIPPED.text)
    queue = ConnectionQueue.of(handover.batch_queue)
    script = (
        "import socket; from loan_api.adapters.ipc.handover import Handover;"
        " from loan_api.adapters.ipc.connection_queue"
        " import put; ours, theirs = socket.socketpair(); ours.sendall(b'hello'); handover = Handover.read();"
        " put(socket.socket(fileno=handover.batch_queue.sending), theirs)"
    )
    descriptors = [handover.batch_queue.sending]
    subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | handover.as_environ(),
        pass_fds=descriptors,
        check=True,
        timeout=60,
    )
    connection = take(queue.receiving)
    assert connection is not None
    with connection:
        assert connection.recv(5) == b"hello"
    queue.close()
    for each in (*handover.batch_queue, *handover.recorder_queue, *handover.lifeline):
        os.close(each)
