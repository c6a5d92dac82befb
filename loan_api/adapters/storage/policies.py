"""The history of credit policies."""

import tomllib
from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import Connection, insert, literal, select

from loan_api.adapters.storage.tables import policies
from loan_api.credit.form import Form
from loan_api.credit.policy import Policy, PolicyError, parsed_policy
from loan_api.services.audit import DecidingPolicy
from loan_api.services.decision_log import PolicyActivation


def write_activation(connection: Connection, activation: PolicyActivation) -> None:
    """Write an activation, unless it is known or its policy is in force already: each worker reports it.

    The end of a policy is written only if one was in force.
    """
    columns = policies.c
    before = (
        select(columns.digest).where(columns.id < activation.id).order_by(columns.id.desc()).limit(1).scalar_subquery()
    )
    is_known = select(columns.id).where(columns.id == activation.id).exists()
    row = {
        "id": activation.id,
        "activated_at": activation.activated_at,
        "digest": activation.digest,
        "version": activation.version,
        "text": activation.text,
    }
    values = select(*(literal(value, columns[name].type) for name, value in row.items())).where(
        before.is_distinct_from(activation.digest), ~is_known
    )
    connection.execute(insert(policies).from_select(list(row), values))


def activations(connection: Connection) -> Sequence[PolicyActivation]:
    """Return the history, oldest first."""
    rows = connection.execute(select(policies).order_by(policies.c.id))
    found = [PolicyActivation(row.id, row.activated_at, row.digest, row.version, row.text) for row in rows]
    # An activation that waited in a journal may have arrived after its successor.
    return [next(same) for _, same in groupby(found, key=lambda activation: activation.digest)]


class RecordedPolicies:
    """Versions and texts of the policies, by digest."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, PolicyActivation] = {}

    def version(self, digest: str | None) -> str | None:
        """Return the version of the policy; None if no policy with that digest is recorded."""
        found = self._find(digest)
        return found.version if found else None

    def deciding(self, digest: str | None) -> DecidingPolicy | None:
        """Return the policy with its version; None without a digest."""
        return None if digest is None else DecidingPolicy(digest, self.version(digest))

    def text(self, digest: str | None) -> str | None:
        """Return the text of the policy; None if no policy with that digest is recorded."""
        found = self._find(digest)
        return found.text if found else None

    def reviewers(self, digest: str | None) -> int:
        """Return how many reviewers the policy requires for a referral, whatever the form is now."""
        text = self.text(digest)
        return int(tomllib.loads(text).get("reviewers", 1)) if text else 1

    def _find(self, digest: str | None) -> PolicyActivation | None:
        if digest is not None and digest not in self._known:
            self._known = {each.digest: each for each in activations(self._connection) if each.digest is not None}
        return None if digest is None else self._known.get(digest)


class ReplayPolicies:
    """Recorded policies for replays. `unusable` holds digests of those that are not recorded or do not fit the form."""

    def __init__(self, form: Form, connection: Connection) -> None:
        self._form = form
        self._recorded = RecordedPolicies(connection)
        self._connection = connection
        self.unusable: set[str] = set()

    def of(self, digest: str) -> Policy | None:
        """Return the policy with the digest, or None if it is unusable."""
        text = self._recorded.text(digest)
        self._connection.rollback()
        try:
            if text is not None:
                return parsed_policy(text, self._form)
        except PolicyError:
            # The form has changed since.
            pass
        self.unusable.add(digest)
        return None
