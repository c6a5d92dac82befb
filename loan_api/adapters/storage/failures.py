"""Explanations of database failures, one for each cause. None quotes the connection or the data."""

import re
import sqlite3

from sqlalchemy.exc import SQLAlchemyError

from loan_api.errors import StorageError

_NOT_MIGRATED = "the database is not migrated: run `python -m loan_api init`"
_TIMEOUT = "the database does not answer in time"
_DISK_FULL = "the database's disk is full"
_READ_ONLY = "the database is read-only"

# Keyed by the lowest byte of SQLite's error code; the other bytes refine it.
_SQLITE = {
    sqlite3.SQLITE_BUSY: "the database is locked",
    sqlite3.SQLITE_CANTOPEN: "the database's file is missing or cannot be opened",
    sqlite3.SQLITE_PERM: "the database's file may not be accessed",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_FULL: _DISK_FULL,
    sqlite3.SQLITE_IOERR: "the database's file cannot be read or written",
    sqlite3.SQLITE_CORRUPT: "the database's file is damaged",
    sqlite3.SQLITE_NOTADB: "the database's file is not an SQLite database",
}
# Keyed by the SQLSTATE of a failed statement, or its first characters.
_SQLSTATES = {
    "42P01": _NOT_MIGRATED,
    "42501": "the database's user lacks a privilege that the service needs",
    "57014": _TIMEOUT,
    "25006": _READ_ONLY,
    "53100": _DISK_FULL,
    "57P": "the database closed the connection",
    "08": "the connection to the database was lost",
}
# Keyed by the error text, because libpq reports no SQLSTATE for a failed connection. The first match counts.
_CONNECTING = {
    r"resolve host|translate host name": "the database's host name cannot be resolved",
    r"unsupported startup parameter": "the connection pooler rejects a parameter in DATABASE_URL: move `options` to the"
    " database's user (ALTER ROLE … SET …), or list it in the pooler's ignore_startup_parameters",
    r"max_client_conn|too many|slots are reserved": "the database accepts no more connections",
    r"no encryption|\bssl\b|certificate|\btls\b": "the encrypted (TLS) connection to the database failed:"
    " check sslmode, the certificates and the server's settings",
    r"password|authentication failed|no such user|pg_hba|role .* does not exist": "the database rejects the user name"
    " or password in DATABASE_URL",
    r"database .* does not exist|no such database": "the database named in DATABASE_URL does not exist on the server",
    r"invalid connection option|invalid .* value|configuration parameter": "a connection parameter in DATABASE_URL is"
    " not valid",
    r"starting up|shutting down|recovery mode": "the database is starting or shutting down",
    r"read-only|hot standby|in recovery": "the database server is not in the state that target_session_attrs demands",
    r"server login|query_wait_timeout|server_connect": "the connection pooler does not reach the database",
    r"timeout|timed out|in time": _TIMEOUT,
    r"connection refused|no such file|unreachable|no route": "nothing answers at the database's address",
}


def is_busy(error: SQLAlchemyError) -> bool:
    """Return whether another process merely holds SQLite's lock."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY


def storage_error(error: SQLAlchemyError | OSError) -> StorageError:
    """Return the StorageError that names the cause."""
    cause = getattr(error, "orig", None) or error
    return StorageError(_explanation(cause) or f"the database cannot be used ({type(cause).__name__})")


def _explanation(cause: BaseException) -> str | None:
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _NOT_MIGRATED if "no such table" in str(cause) else _SQLITE.get(code & 0xFF)
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return next((text for start, text in _SQLSTATES.items() if state.startswith(start)), None)
    return next((text for pattern, text in _CONNECTING.items() if re.search(pattern, str(cause).lower())), None)
