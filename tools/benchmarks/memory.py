"""Memory of a server's processes."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from tools.benchmarks.processes import tree


@dataclass(frozen=True)
class Weights:
    """The PSS of each process of one kind, in bytes."""

    each: tuple[int, ...]

    @property
    def count(self) -> int:
        """Return the number of processes."""
        return len(self.each)

    @property
    def heaviest(self) -> int:
        """Return the PSS of the largest process."""
        return max(self.each)


def weigh(pid: int) -> Mapping[str, Weights]:
    """Return the memory of `pid` and its descendants by kind, skipping processes that end meanwhile."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for process in tree(pid):
        with suppress(OSError):
            kinds[process.kind].append(process.pss_bytes())
    return {kind: Weights(tuple(each)) for kind, each in kinds.items()}
