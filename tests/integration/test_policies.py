"""The history of policies on both databases, and the command that prints it."""

from click.testing import CliRunner
from msgspec import structs

from loan_api.adapters.storage.database import connected
from loan_api.adapters.storage.decision_writer import DecisionWriter
from loan_api.adapters.storage.policies import activations
from loan_api.credit.policy import Policy, parse_policy
from loan_api.entrypoints.commands import cli
from loan_api.services.decision_log import PolicyActivation
from tests.support.forms import SHIPPED
from tests.support.ledger import Ledger
from tests.support.policies import EXAMPLE


def policy(version: str) -> Policy:
    return parse_policy(EXAMPLE.read_text().replace("2026-11", version), SHIPPED)


ONE, OTHER = policy("one"), policy("other")


def versions(ledger: Ledger) -> list[str | None]:
    with connected(ledger.url) as connection:
        return [each.version for each in activations(connection)]


def test_activations_are_kept_with_text_and_time_and_each_once(ledger: Ledger) -> None:
    """Each worker reports the same policy."""
    start = ledger.moment
    for active in (ONE, ONE, OTHER, OTHER, ONE):
        ledger.activate(active)
    with connected(ledger.url) as connection:
        found = activations(connection)
    assert [(each.version, each.digest, each.text) for each in found] == [
        (each.version, each.digest, each.text) for each in (ONE, OTHER, ONE)
    ]
    assert [(each.activated_at - start).total_seconds() for each in found] == [0, 120, 240]


def test_the_end_of_the_policy_is_kept_if_there_was_one(ledger: Ledger) -> None:
    ledger.activate(None)
    assert versions(ledger) == []
    for active in (ONE, None, None, ONE):
        ledger.activate(active)
    assert versions(ledger) == ["one", None, "one"]


def test_a_journal_that_is_drained_again_or_late_changes_nothing(ledger: Ledger) -> None:
    kept = [
        PolicyActivation(f"018e3765-c1c0-7cc4-8f1a-{number:012d}", ledger.moment, each.digest, each.version, each.text)
        for number, each in enumerate((ONE, OTHER, ONE, ONE))
    ]
    writer = DecisionWriter(ledger.url)
    for some in (kept, kept, kept[:2]):
        writer.write([], [], some)
    assert versions(ledger) == ["one", "other", "one"]
    writer.write([], [], [structs.replace(kept[0], id="018e3765-c1c0-7cc4-8f19-000000000000")])
    writer.close()
    assert versions(ledger) == ["one", "other", "one"]


def test_the_history_is_printed(ledger: Ledger) -> None:
    def printed() -> str:
        result = CliRunner().invoke(cli, ["policy", "history"], env={"DATABASE_URL": ledger.url})
        assert result.exit_code == 0, result.output
        return result.output

    assert printed() == "No policy has ever been in force.\n"
    for active in (ONE, None):
        ledger.activate(active)
    assert printed().splitlines() == [
        f"2024-03-13T10:30:00Z  one  {ONE.digest}",
        "2024-03-13T10:31:00Z  none: the model's threshold decides",
    ]
