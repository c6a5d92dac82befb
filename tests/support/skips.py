"""Packages whose installation would let skipped tests run."""

import re
from collections.abc import Iterable


def debian_packages(reasons: Iterable[str]) -> list[str]:
    """Return the packages that skip reasons name, as in "promtool is missing: apt-get install prometheus"."""
    named = (
        match[1].split() for reason in reasons for match in re.finditer(r"apt-get install ([a-z0-9 .+-]+)", reason)
    )
    return sorted({package for packages in named for package in packages})
