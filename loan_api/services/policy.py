"""The credit policy in force."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from loan_api.credit.policy import Policy
from loan_api.errors import NotRecordedError
from loan_api.services.decision_log import DecisionLog, PolicyActivation

_log = logging.getLogger(__name__)


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
    """The policy that decides. Its activation is recorded before its first decision."""

    def __init__(
        self,
        source: PolicySource,
        log: DecisionLog,
        observer: PolicyObserver,
        now: Callable[[], datetime],
        new_id: Callable[[datetime], str],
    ) -> None:
        self._source = source
        self._log = log
        self._observer = observer
        self._now = now
        self._new_id = new_id
        self._announced: Policy | None = None
        self._recorded: Policy | None = None

    def current(self) -> Policy | None:
        """Return the policy to decide with; None for the model's threshold.

        Raises NotRecordedError if it has changed and that cannot be recorded.
        """
        policy = self.announce()
        if policy is not None and policy is not self._recorded:
            now = self._now()
            self._log.record(PolicyActivation(self._new_id(now), now, policy.digest, policy.version, policy.text))
            self._recorded = policy
        return policy

    def announce(self) -> Policy | None:
        """Return the policy to decide with, after the observer has learned of it, but without recording it."""
        policy = self._source.in_force()
        if policy is not None and policy is not self._announced:
            replaced, self._announced = self._announced, policy
            self._observer.policy_activated(policy, replaced)
        return policy

    def watch(self, seconds: float) -> None:
        """Record changes within `seconds`, even without applications, and never return; run it in its own thread."""
        pause = threading.Event()
        while True:
            try:
                self.current()
            except NotRecordedError:
                # The next application, or the next round, tries again.
                _log.debug("activation of the policy not recorded")
            pause.wait(seconds)
