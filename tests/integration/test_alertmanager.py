"""Inhibition and routing of the project's configuration on a real Alertmanager."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.alertmanager import Alertmanager, Receiver, running_alertmanager, running_receiver
from tests.support.waiting import wait_until

Labels = dict[str, str]

ABSENT = {"alertname": "LoanApiTargetAbsent", "severity": "page", "job": "loan_api"}
DOWN = {"alertname": "LoanApiInstanceDown", "severity": "page", "job": "loan_api", "instance": "a"}
SLOW_SCRAPE = {"alertname": "LoanApiScrapeSlow", "severity": "ticket", "job": "loan_api", "instance": "a"}
BURN = {"alertname": "LoanApiAvailabilityBurnRate", "severity": "page", "job": "loan_api"}
DRIFT = {"alertname": "LoanModelFeatureDrift", "severity": "ticket", "job": "loan_api", "feature": "loan_term"}
WATCHDOG = {"alertname": "Watchdog", "severity": "none"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def alertmanager(tmp_path: Path, receiver: Receiver) -> Iterator[Alertmanager]:
    with running_alertmanager(tmp_path / "alertmanager", receiver) as alertmanager:
        yield alertmanager


def without(labels: Labels, label: str) -> Labels:
    return {name: value for name, value in labels.items() if name != label}


@pytest.mark.parametrize(
    ("cause", "silenced", "heard"),
    [
        pytest.param(
            ABSENT,
            [DOWN, SLOW_SCRAPE, BURN, DRIFT],
            [DRIFT | {"job": "another"}, WATCHDOG, without(DRIFT, "job")],
            id="a target that is absent silences all of its job",
        ),
        pytest.param(
            without(ABSENT, "job"),
            [],
            [without(DRIFT, "job"), DRIFT],
            id="an absent target of no job silences nothing",
        ),
        pytest.param(
            DOWN,
            [SLOW_SCRAPE],
            [SLOW_SCRAPE | {"instance": "b"}, SLOW_SCRAPE | {"job": "another"}, BURN, DRIFT, WATCHDOG],
            id="an instance that is down silences what is its own",
        ),
        pytest.param(
            without(DOWN, "instance"),
            [],
            [BURN, DRIFT, SLOW_SCRAPE],
            id="a down instance of no name silences nothing",
        ),
        pytest.param(
            BURN | {"window": "1h"},
            [BURN | {"severity": "ticket", "window": "3d"}],
            [
                BURN | {"severity": "ticket", "job": "another"},
                DRIFT,
                without(BURN, "job") | {"severity": "ticket"},
            ],
            id="a page silences the ticket on the same matter",
        ),
        pytest.param(
            SLOW_SCRAPE | {"severity": "page"},
            [SLOW_SCRAPE],
            [SLOW_SCRAPE | {"instance": "b"}],
            id="a page on one instance silences no ticket on another",
        ),
    ],
)
def test_a_cause_silences_its_symptoms_and_nothing_else(
    alertmanager: Alertmanager, cause: Labels, silenced: list[Labels], heard: list[Labels]
) -> None:
    alerts = [cause, *silenced, *heard]
    alertmanager.post(*alerts)
    wait_until(lambda: alertmanager.count() == len(alerts), "all alerts to be known", seconds=10)
    assert sorted(alertmanager.silenced(), key=str) == sorted(map(in_order, silenced), key=str)


def in_order(labels: Labels) -> Labels:
    """Sort the labels, as Alertmanager does."""
    return dict(sorted(labels.items()))


def test_each_receiver_gets_its_alerts_with_its_secret(alertmanager: Alertmanager, receiver: Receiver) -> None:
    alertmanager.post(DOWN, DRIFT, WATCHDOG, {"alertname": "LoanApiNews", "severity": "none"})
    wait_until(lambda: len(receiver.received) == 3, "three notifications", seconds=20)
    (page,) = receiver.at("/pager")
    assert page.body["routing_key"] == "secret of pager_routing_key"
    assert page.body["payload"]["summary"] == "LoanApiInstanceDown: It is so."
    (ticket,) = receiver.at("/hooks/loan")
    assert ticket.authorization == "Bearer secret of ticket_token"
    assert ticket.body["groupLabels"] == {"alertname": "LoanModelFeatureDrift", "job": "loan_api"}
    (beat,) = receiver.at("/loan")
    assert beat.authorization == "Bearer secret of dead_mans_switch_token"
    assert beat.body["groupLabels"] == {"alertname": "Watchdog"}


def test_suppressed_alerts_are_not_sent(alertmanager: Alertmanager, receiver: Receiver) -> None:
    alertmanager.post(DOWN)
    wait_until(lambda: bool(receiver.at("/pager")), "the page", seconds=20)
    alertmanager.post(SLOW_SCRAPE, DRIFT)
    wait_until(lambda: len(receiver.received) > 1, "a ticket", seconds=20)
    (ticket,) = receiver.at("/hooks/loan")
    assert ticket.body["groupLabels"]["alertname"] == "LoanModelFeatureDrift"
