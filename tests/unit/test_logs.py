"""Log lines are readable on a terminal and JSON elsewhere."""

import json
import logging
import logging.config
import os
import pty
import subprocess
import sys

from loan_api.logs import TerminalFormatter
from loan_api.settings import PROJECT_ROOT

LOG_ONE_LINE = """
import logging.config
from loan_api.logs import logging_config
logging.config.dictConfig(logging_config("INFO"))
logging.getLogger("loan_api.request").info("request", extra={"route": "/predict", "status": 200})
"""


def test_a_line_on_a_terminal_has_time_level_message_and_fields() -> None:
    record = logging.LogRecord("loan_api.request", logging.INFO, "file.py", 1, "request", (), None)
    record.route, record.status = "/predict", 200
    time, level, rest = TerminalFormatter().format(record).split(maxsplit=2)
    assert (len(time), level, rest) == (8, "INFO", "request  route=/predict  status=200")


def test_lines_are_json_if_standard_error_is_no_terminal() -> None:
    command = [sys.executable, "-c", LOG_ONE_LINE]
    line = subprocess.run(command, cwd=PROJECT_ROOT, check=True, capture_output=True, timeout=60).stderr
    fields = json.loads(line)
    assert (fields["level"], fields["message"], fields["route"], fields["status"]) == (
        "INFO",
        "request",
        "/predict",
        200,
    )


def test_lines_are_text_if_standard_error_is_a_terminal() -> None:
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", LOG_ONE_LINE], cwd=PROJECT_ROOT, check=True, stderr=theirs, timeout=60)
        line = os.read(ours, 4096).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert line.endswith("INFO    request  route=/predict  status=200\r\n")
