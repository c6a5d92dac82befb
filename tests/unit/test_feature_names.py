"""Every feature is declared once, in the form: no code, template or rule knows the name of one."""

import re
from pathlib import Path

from loan_api.settings import PROJECT_ROOT
from tests.support.forms import SHIPPED

FOLDERS = ("loan_api", "training", "tools", "migrations", "prometheus", "deploy")
ENDINGS = frozenset({".py", ".html", ".js", ".css", ".j2", ".yml", ".yaml", ".json", ".toml", ".ts", ".sh", ".conf"})
NAMES = re.compile(rf"\b({'|'.join((*SHIPPED.names, *(derived.name for derived in SHIPPED.derived)))})\b")
# Tests of the rules need features.
EXCEPTIONS = frozenset({Path("prometheus/tests")})


def sources() -> list[Path]:
    found = [
        *(path for folder in FOLDERS for path in (PROJECT_ROOT / folder).rglob("*") if path.suffix in ENDINGS),
        *(path for path in PROJECT_ROOT.iterdir() if path.suffix in ENDINGS or path.name in ("Makefile", "Dockerfile")),
    ]
    relative = [path.relative_to(PROJECT_ROOT) for path in found]
    return [
        path
        for path in relative
        if path.name != "features.toml" and "node_modules" not in path.parts and EXCEPTIONS.isdisjoint(path.parents)
    ]


def test_no_source_knows_the_name_of_a_feature() -> None:
    assert len(sources()) > 200
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in sources()
        for number, line in enumerate((PROJECT_ROOT / path).read_text(encoding="utf-8").splitlines(), start=1)
        if NAMES.search(line)
    ]
    assert found == []
