"""The result of `policy simulate` as text for people and as JSON."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from loan_api.credit.decision import DECISIONS
from loan_api.formats.timestamps import utc_text
from loan_api.services.policy_simulation import OUTCOMES, Simulation, Transition

_NO_RULE = "(probability)"
_MISSING = "(missing)"


def json_of(simulation: Simulation, since: datetime | None, until: datetime | None) -> str:
    """Return all counts as one JSON document."""
    policy = simulation.policy
    document = {
        "policy_version": policy.version,
        "policy_digest": policy.digest,
        "from": since and utc_text(since),
        "to": until and utc_text(until),
        "decisions": simulation.total,
        "changed": simulation.changed,
        "transitions": [_entry(each) for each in simulation.transitions()],
        "rules": [{"rule": code, **_entry(each)} for code, transitions in simulation.by_rule() for each in transitions],
        "segments": [
            {"feature": feature, "value": value, **_entry(each)}
            for feature, values in simulation.by_segment().items()
            for value, transitions in values
            for each in transitions
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _entry(transition: Transition) -> dict[str, Any]:
    return {
        "from": transition.before,
        "to": transition.after,
        "decisions": transition.total,
        "outcomes": dict(transition.counts),
    }


def text_of(simulation: Simulation) -> str:
    """Return the counts as tables."""
    total = simulation.total
    if not total:
        return "No matching decision is recorded: nothing was simulated."
    share = f"{simulation.changed / total:.1%}"
    parts = [
        f"Policy {simulation.policy.version} on {total:,} recorded decisions: {simulation.changed:,} change ({share}).",
        _table(("decided", *DECISIONS), _matrix(simulation.transitions()), "the policy would →"),
        _detailed("transition", ((None, simulation.transitions()),)),
        _detailed("rule", ((code or _NO_RULE, found) for code, found in simulation.by_rule())),
    ]
    for feature, values in simulation.by_segment().items():
        parts.append(_detailed(feature, ((value or _MISSING, found) for value, found in values)))
    return "\n\n".join(parts)


def _matrix(transitions: Sequence[Transition]) -> list[tuple[str, ...]]:
    counts = {(each.before, each.after): each.total for each in transitions}
    return [(before, *(f"{counts[before, after]:,}" for after in DECISIONS)) for before in DECISIONS]


def _detailed(title: str, groups: Iterable[tuple[str | None, Sequence[Transition]]]) -> str:
    """Return a line for each transition that occurs, with its outcomes, under the name of its group."""
    rows = []
    for name, transitions in groups:
        shown = [each for each in transitions if each.total]
        lines = [(f"{each.before} → {each.after}", each) for each in shown]
        if name is not None and not lines:
            rows.append((name, "", "0", *("" for _ in OUTCOMES)))
        for place, (arrow, each) in enumerate(lines):
            label = () if name is None else (name if place == 0 else "",)
            rows.append((*label, arrow, f"{each.total:,}", *(f"{each.counts[outcome]:,}" for outcome in OUTCOMES)))
    heads = ("transition",) if title == "transition" else (title, "transition")
    return _table((*heads, "decisions", *OUTCOMES), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], above: str = "") -> str:
    """Return aligned columns: texts to the left, numbers to the right."""
    lines = [tuple(heads), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    is_number = [all(not row[column].strip("0123456789,") for row in rows) for column in range(len(heads))]
    shown = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, is_number, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([" " * (widths[0] + 2) + above, *shown] if above else shown)
