"""A PostgreSQL connection with a client-side time limit, so that a hung server counts as unavailable."""

from typing import Any

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.pq import TransactionStatus


class TimedConnection(Connection[Any]):
    """Closes itself and raises OperationalError if a statement takes longer than `limit` seconds.

    The server's own `statement_timeout` is no help if the server hangs, the network drops its answer, or the disk
    stalls a commit.
    """

    limit = 10.0

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server's answer to one statement; psycopg calls this for each."""
        try:
            return super().wait(gen, interval, self.limit if timeout is None else timeout)
        except OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            # An orderly close would wait for the same server again.
            self.pgconn.finish()
            raise ConnectionTimeout("no answer in time") from error
