"""The credit policy in force."""

from typing import Protocol

from loan_api.credit.policy import Policy


class PolicySource(Protocol):
    """A source of the credit policy."""

    def in_force(self) -> Policy | None:
        """Return the policy in force, the same object until it changes, or None if none is configured."""

    @property
    def problem(self) -> str | None:
        """The reason why the policy in force may be outdated, or None."""


class NoPolicy:
    """A policy source without a policy: the model's threshold decides."""

    problem = None

    def in_force(self) -> Policy | None:
        """Return None."""
        return None


class PolicyObserver(Protocol):
    """An observer of changes of the policy."""

    def policy_activated(self, policy: Policy, replaced: Policy | None) -> None:
        """Observe that `policy` decides from now on."""


class PolicyService:
    """The policy that decides, and the announcement of its changes."""

    def __init__(self, source: PolicySource, observer: PolicyObserver) -> None:
        self._source = source
        self._observer = observer
        self._active: Policy | None = None

    def current(self) -> Policy | None:
        """Return the policy to decide with; None for the model's threshold."""
        policy = self._source.in_force()
        if policy is not None and policy is not self._active:
            replaced, self._active = self._active, policy
            self._observer.policy_activated(policy, replaced)
        return policy

    @property
    def problem(self) -> str | None:
        """The reason why the policy in force may be outdated, or None."""
        return self._source.problem
