"""Numbers as positions in charts, which templates render as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from loan_api.credit.decision import Decision
from loan_api.credit.policy import Policy


@dataclass(frozen=True)
class Zone:
    """A span of the approval probability in which the same is decided, unless a rule applies."""

    decision: Decision
    start: float
    end: float

    @property
    def width(self) -> float:
        """Return the length of the span."""
        return self.end - self.start


def zones_of(policy: Policy | None, threshold: float) -> Sequence[Zone]:
    """Return the zones of a policy, or of the model's threshold, from 0 to 1; empty ones are left out."""
    refer_from, approve_from = (policy.refer_from, policy.approve_from) if policy else (threshold, threshold)
    zones = (Zone("decline", 0, refer_from), Zone("refer", refer_from, approve_from), Zone("approve", approve_from, 1))
    return [zone for zone in zones if zone.width > 0]
