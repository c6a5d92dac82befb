"""The path of records from workers to the database.

`group_commit` collects the records of a worker. `shortcut` writes single decisions directly, if the database is SQLite;
everything else goes over a `connection` to the recorder, whose `server` passes records of all processes to `recorder`.
While the database is unavailable, they go into the `journal`. `lifetime` keeps one recorder running for each server.
"""
