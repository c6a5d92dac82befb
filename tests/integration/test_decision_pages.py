"""The work for a page is bounded, and following the cursors to the end shows everything."""

from datetime import timedelta

import pytest

from loan_api.adapters.storage.archive import DatabaseArchive
from loan_api.adapters.storage.database import connected
from loan_api.adapters.storage.decision_pages import read_page
from loan_api.services.audit import DecisionName, Page, Search
from loan_api.services.decision_id import new_id
from tests.support.forms import SHIPPED
from tests.support.ledger import FIRST, SECOND, START, Ledger


def pages(ledger: Ledger, search: Search, limit: int = 500, **bounds: int) -> list[Page]:
    """Follow the cursors to the end."""
    start: DecisionName | None = None
    found: list[Page] = []
    with connected(ledger.url) as connection:
        while True:
            page = read_page(SHIPPED, connection, search, start, limit, **bounds)
            found.append(page)
            if page.following is None:
                return found
            assert page.following != start, "every page makes progress"
            start = page.following


def ids(found: list[Page]) -> list[str]:
    return [decision.decision_id for page in found for decision in page.decisions]


@pytest.mark.parametrize("examined", [1, 2, 3, 5, 8, 60])
def test_however_little_a_page_examines_nothing_is_left_out(ledger: Ledger, examined: int) -> None:
    """Use batches without matches that exceed the budget of a page."""
    old = [ledger.single(FIRST) for _ in range(3)]
    others = [ledger.batch(0.1, 0.9, decider=SECOND) for _ in range(6)]
    young = [ledger.single(FIRST) for _ in range(3)]
    bounds = {"examined": examined, "heads": 2}
    assert ids(pages(ledger, Search(model_version="1.0.0"), **bounds)) == [*reversed(young), *reversed(old)]
    rows = [f"{batch}:{row}" for batch in reversed(others) for row in range(2)]
    assert ids(pages(ledger, Search(model_version="1.1.0"), **bounds)) == rows
    assert ids(pages(ledger, Search(), limit=2, **bounds)) == [*reversed(young), *rows, *reversed(old)]


def test_a_page_that_finds_nothing_is_short_while_there_is_more(ledger: Ledger) -> None:
    wanted = ledger.single(request_id="wanted")
    for _ in range(9):
        ledger.single()
    found = pages(ledger, Search(request_id="wanted"), examined=4)
    assert [len(page.decisions) for page in found] == [0, 0, 1]
    assert ids(found) == [wanted]


def test_a_batch_is_gone_on_with_where_the_page_was_full(ledger: Ledger) -> None:
    batch_id = ledger.batch(0.1, 0.9, 0.1, 0.9, 0.9)
    found = pages(ledger, Search(prediction=1), limit=2)
    assert [[decision.decision_id for decision in page.decisions] for page in found][:2] == [
        [f"{batch_id}:1", f"{batch_id}:3"],
        [f"{batch_id}:4"],
    ]


def test_a_cursor_into_a_batch_that_was_purged_goes_on_after_it(ledger: Ledger) -> None:
    older = ledger.single()
    gone = DecisionName(new_id(ledger.moment), 3)
    page = DatabaseArchive(SHIPPED, ledger.url).page(Search(), gone, 500)
    assert [decision.decision_id for decision in page.decisions] == [older]


@pytest.mark.parametrize(
    "search", [Search(endpoint="single"), Search(since=START + timedelta(minutes=5)), Search(until=START)]
)
def test_a_cursor_into_a_batch_that_is_not_asked_for_finds_nothing_of_it(ledger: Ledger, search: Search) -> None:
    start = DecisionName(ledger.batch(0.1, 0.9), 1)
    assert DatabaseArchive(SHIPPED, ledger.url).page(Search(), start, 500).decisions != ()
    assert DatabaseArchive(SHIPPED, ledger.url).page(search, start, 500).decisions == ()
