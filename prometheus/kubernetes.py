"""The rules as an object of the Prometheus Operator; `python -m prometheus.kubernetes` writes its file anew."""

import re
from pathlib import Path
from textwrap import indent

_FOLDER = Path(__file__).resolve().parent
RULES = _FOLDER / "rules"
FILE = _FOLDER.parent / "deploy" / "kubernetes" / "base" / "prometheus_rule.yaml"
_HEAD = """\
# Made from prometheus/rules by `python -m prometheus.kubernetes`; a change here is lost.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: loan
spec:
  groups:
"""


def content() -> str:
    """What the file holds: the groups of every file of rules as they are written there, comments included."""
    return _HEAD + "".join(indent(_groups(path), "  ") for path in sorted(RULES.glob("*.yml")))


def _groups(path: Path) -> str:
    comments, separator, groups = path.read_text(encoding="utf-8").partition("groups:\n")
    if not separator or not re.fullmatch(r"(#.*\n)*", comments):
        raise ValueError(f"{path} is not a comment and its groups")
    return f"  # {path.name}\n{indent(comments, '  ')}{groups}"


if __name__ == "__main__":
    FILE.write_text(content(), encoding="utf-8")
