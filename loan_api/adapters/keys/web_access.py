"""Who may look at Prometheus and Alertmanager: the file that both take with --web.config.file."""

from typing import Any

import bcrypt
import yaml

_USERS = "basic_auth_users"
# As much as their documents advise; they remember what they have verified.
_ROUNDS = 10
# bcrypt looks at no more.
_MOST_BYTES = 72


def with_password(web_config: str, password: str) -> str:
    """The configuration with the hash of `password` for each user in it. Raises ValueError where there is none.

    Also where the password is longer than bcrypt can take.
    """
    if len(password.encode()) > _MOST_BYTES:
        raise ValueError(f"the password is longer than {_MOST_BYTES} bytes")
    configuration: Any = yaml.safe_load(web_config)
    users = configuration.get(_USERS) if isinstance(configuration, dict) else None
    if not isinstance(users, dict) or not users:
        raise ValueError(f"it names no user under {_USERS}")
    for user in users:
        users[user] = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode("ascii")
    changed: str = yaml.safe_dump(configuration, sort_keys=False)
    return changed
