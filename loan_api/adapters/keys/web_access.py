"""The logins of Prometheus and Alertmanager, in the format of their --web.config.file."""

from typing import Any

import bcrypt
import yaml

_USERS = "basic_auth_users"
# The cost recommended by their documentation; successful logins are cached.
_ROUNDS = 10
# bcrypt ignores further bytes.
_MOST_BYTES = 72


def with_password(web_config: str, password: str) -> str:
    """Return the configuration with the hash of `password` for each of its users.

    Raises ValueError if there are no users, or if the password is too long for bcrypt.
    """
    if len(password.encode()) > _MOST_BYTES:
        raise ValueError(f"the password is longer than {_MOST_BYTES} bytes")
    configuration: Any = yaml.safe_load(web_config)
    users = configuration.get(_USERS) if isinstance(configuration, dict) else None
    if not isinstance(users, dict) or not users:
        raise ValueError(f"it has no users in {_USERS}")
    for user in users:
        users[user] = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode("ascii")
    changed: str = yaml.safe_dump(configuration, sort_keys=False)
    return changed
