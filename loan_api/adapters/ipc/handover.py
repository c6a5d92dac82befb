"""Everything that gunicorn's master passes on to its workers, and a worker to its child processes.

It travels as JSON in one environment variable. Standard library only: the master imports this module, and must not
import anything that workers patch after the fork.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Self

from loan_api.adapters.ipc.connection_queue import ConnectionQueue, Ends

_VARIABLE = "LOAN_HANDOVER"


@dataclass(frozen=True)
class Handover:
    """The state that all processes of one server share.

    Workers inherit the descriptors by the fork; a child process has only those that were passed to it. The sending end
    of the lifeline is open in the master alone, so the receiving end reaches end of file when the master is gone.
    """

    # Seconds of the monotonic clock, which is the same for all processes of a machine.
    server_start: float
    batch_queue: Ends
    recorder_queue: Ends
    lifeline: Ends
    # The text of the application form: a running server keeps the one it started with, whatever happens to the file.
    form: str
    # The file in which workers keep valid API keys for their successors; absent outside gunicorn.
    kept_keys: Path | None = None
    # The same for the credit policy.
    kept_policy: Path | None = None
    # Unique among live workers; metrics are kept by slot.
    slot: int = 0

    @classmethod
    def create(cls, form: str, kept_keys: Path | None = None, kept_policy: Path | None = None) -> Self:
        """Return the handover of a server that starts now, with empty queues."""
        receiving, sending = os.pipe()
        batches, recorder = ConnectionQueue.make().detach(), ConnectionQueue.make().detach()
        return cls(monotonic(), batches, recorder, Ends(sending, receiving), form, kept_keys, kept_policy)

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Self | None:
        """Return the handover of this process; None outside gunicorn and its children."""
        content = environ.get(_VARIABLE)
        if content is None:
            return None
        members = json.loads(content)
        members |= {name: Ends(*members[name]) for name in ("batch_queue", "recorder_queue", "lifeline")}
        members |= {name: members[name] and Path(members[name]) for name in ("kept_keys", "kept_policy")}
        return cls(**members)

    def as_environ(self) -> dict[str, str]:
        """Return the variable from which `read` restores this value."""
        return {_VARIABLE: json.dumps(asdict(self), default=str)}
