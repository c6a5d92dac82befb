"""The audit service says that a decision may be on its way rather than that it does not exist."""

import pytest

from loan_api.errors import NotYetStoredError, UnknownDecisionError
from loan_api.services.audit import AuditService, DecisionName, OutcomeReport, ReportResult
from loan_api.services.decision_log import LogState
from tests.support.fakes import NOW, FakeLog, NoArchive

UNKNOWN = "018e3765-0000-7000-8000-000000000000"


class EmptyArchive(NoArchive):
    """A database without decisions."""

    def find(self, name: DecisionName) -> None:
        return None

    def report(self, reports: object, now: object, reported_by: str | None) -> ReportResult:
        return ReportResult(unknown=[0])


class NoObserver:
    def outcomes_reported(self, new: object) -> None:
        raise AssertionError("no outcome was stored")


def service(state: LogState | None, *, journals_wait: bool) -> AuditService:
    return AuditService(
        EmptyArchive(), FakeLog(state=state), NoObserver(), lambda: NOW, journals_wait=lambda: journals_wait
    )


@pytest.mark.parametrize(
    ("state", "journals_wait", "error"),
    [
        (LogState("database"), False, UnknownDecisionError),
        (LogState("database"), True, NotYetStoredError),
        (LogState("journal", 1), False, NotYetStoredError),
        (None, True, UnknownDecisionError),
    ],
)
def test_a_decision_in_any_journal_is_not_reported_as_unknown(
    state: LogState | None, journals_wait: bool, error: type[Exception]
) -> None:
    audit = service(state, journals_wait=journals_wait)
    with pytest.raises(error):
        audit.find(UNKNOWN)
    with pytest.raises(error):
        audit.report_outcome(UNKNOWN, 1, "auditor")


def test_reports_name_the_unknown_decisions() -> None:
    audit = service(LogState("database"), journals_wait=False)
    with pytest.raises(Exception, match="1 of the decisions are not recorded"):
        audit.report_outcomes([OutcomeReport(DecisionName(UNKNOWN), 1)], None)
