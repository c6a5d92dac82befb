"""Execution logs of training runs under LOAN_HOME."""

import logging
from pathlib import Path

from training.tracking.execution_log import KEPT, execution_log


def test_the_oldest_make_room_for_a_new_one(tmp_path: Path) -> None:
    for day in range(KEPT + 5):
        (tmp_path / f"training-20200101T{day:06}Z-0123abcd.log").touch()
    (tmp_path / "notes.txt").touch()
    with execution_log(tmp_path, "fedcba9876543210") as path:
        logging.getLogger("training").info("a line")
    kept = sorted(tmp_path.glob("*.log"))
    assert len(kept) == KEPT
    assert kept[-1] == path
    assert kept[0].name == "training-20200101T000006Z-0123abcd.log"
    assert path.read_text(encoding="utf-8").endswith("INFO training: a line\n")
    assert (tmp_path / "notes.txt").exists()
