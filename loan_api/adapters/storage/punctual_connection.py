"""A connection to PostgreSQL that is not waited for without end: a server that hangs is away, like one that is gone."""

from typing import Any

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.pq import TransactionStatus


class PunctualConnection(Connection[Any]):
    """Is closed, with an OperationalError, where a statement is not answered within `patience` seconds.

    The server's own limit does not help where the server does not run, the network drops what it says, or its disk
    does not answer a commit.
    """

    patience = 10.0

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """What psycopg has every answer of the server waited for with."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            # To say goodbye in order would be to wait again.
            self.pgconn.finish()
            raise ConnectionTimeout("no answer in time") from error
