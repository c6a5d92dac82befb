"""The rules as a Prometheus Operator object; `python -m prometheus.kubernetes` writes its file."""

import re
from pathlib import Path
from textwrap import indent

_FOLDER = Path(__file__).resolve().parent
RULES = _FOLDER / "rules"
FILE = _FOLDER.parent / "deploy" / "kubernetes" / "base" / "prometheus_rule.yaml"
_HEAD = """\
# Generated from prometheus/rules by `python -m prometheus.kubernetes`; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: loan
spec:
  groups:
"""


def content() -> str:
    """Return the content of the file: the groups of all rule files, including their comments."""
    return _HEAD + "".join(indent(_groups(path), "  ") for path in sorted(RULES.glob("*.yml")))


def _groups(path: Path) -> str:
    comments, separator, groups = path.read_text(encoding="utf-8").partition("groups:\n")
    if not separator or not re.fullmatch(r"(#.*\n)*", comments):
        raise ValueError(f"{path} must consist of comments followed by groups")
    return f"  # {path.name}\n{indent(comments, '  ')}{groups}"


if __name__ == "__main__":
    FILE.write_text(content(), encoding="utf-8")
