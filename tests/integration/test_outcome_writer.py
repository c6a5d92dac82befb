"""A decision's outcomes are in chronological order, regardless of reporters and clock differences."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.errors import StorageError
from loan_api.services.audit import DecisionName, OutcomeReport
from tests.support.forms import SHIPPED
from tests.support.ledger import START, Ledger


def test_of_concurrent_reports_the_latest_is_in_force(ledger: Ledger) -> None:
    archive = DatabaseArchive(SHIPPED, ledger.url)
    names = [DecisionName(ledger.single()) for _ in range(20)]

    def report(name: DecisionName, outcome: int) -> int:
        # A slow disk can keep the others waiting for too long; clients then send the report again.
        for _ in range(20):
            with suppress(StorageError):
                return len(archive.report([OutcomeReport(name, outcome)], lambda: datetime.now(UTC), None).new)
        raise AssertionError("the database stays locked")

    with ThreadPoolExecutor(4) as pool:
        counts = [pool.submit(report, name, outcome) for name in names for outcome in (0, 1)]
        assert sum(each.result(60) for each in counts) == 40
    for name in names:
        history = archive.outcomes(name)
        assert len(history) == 2
        assert history[0].reported_at < history[1].reported_at


def test_no_outcome_is_dated_before_the_one_that_it_replaces(ledger: Ledger) -> None:
    """Report with an earlier clock, as the clocks of hosts differ."""
    archive = DatabaseArchive(SHIPPED, ledger.url)
    batch_id = ledger.batch(0.25, 0.75)
    later = START + timedelta(hours=2)
    archive.report([OutcomeReport(DecisionName(batch_id, 0), 0)], lambda: later, "ahead")
    both = [OutcomeReport(DecisionName(batch_id, row), 1) for row in (0, 1)]
    new = archive.report(both, lambda: START + timedelta(hours=1), "behind").new
    assert [each.waited for each in new] == [2 * 3600, 3600]
    history = archive.outcomes(DecisionName(batch_id, 0))
    assert [(each.outcome, each.reported_at) for each in history] == [(0, later), (1, later)]
    assert [each.reported_at for each in archive.outcomes(DecisionName(batch_id, 1))] == [START + timedelta(hours=1)]
