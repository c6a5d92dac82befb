"""The tables in `docs/reliability.md` are generated from the torture tests' figures."""

from pathlib import Path

import pytest

from tests.support.figures import VARIABLE, record_figures
from tests.support.reliability_page import markdown, read_tables


def test_the_last_word_on_a_row_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures"
    monkeypatch.setenv(VARIABLE, str(file))
    record_figures("kill", {"sent": 1, "guarantee": "nothing"})
    record_figures("lock", {"sent": 1200, "guarantee": "all"})
    record_figures("kill", {"sent": 3, "guarantee": "much"})
    record_figures("bomb", {"held": 0.5}, table="Input")
    assert list(markdown(read_tables(file.read_text(encoding="utf-8").splitlines()))) == [
        "### Faults\n",
        "|  | sent | guarantee |",
        "| --- | --: | --- |",
        "| kill | 3 | much |",
        "| lock | 1,200 | all |",
        "",
        "### Input\n",
        "|  | held |",
        "| --- | --: |",
        "| bomb | 0.5 |",
        "",
    ]


def test_nothing_is_kept_where_nobody_collects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    record_figures("kill", {"sent": 1})
