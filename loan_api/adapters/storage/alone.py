"""One writer at a time where what is written depends on what is there."""

from sqlalchemy import Connection, text

# Any number that no other user of the database takes.
_ADVISORY_LOCK = 5_224_114


def write_alone(connection: Connection) -> None:
    """Keeps all others who do so from writing until the end of the transaction, which begins here.

    On SQLite nobody else writes meanwhile, the recorder included: it must not take long.
    """
    connection.rollback()
    if connection.dialect.name == "sqlite":
        connection.execute(text("BEGIN IMMEDIATE"))
    else:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
