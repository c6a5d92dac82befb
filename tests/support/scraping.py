"""Samples of the metrics page by name and labels."""

from collections.abc import Callable

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

Credentials = Callable[[], tuple[str, str]]


def scrape(client: FlaskClient, credentials: Credentials) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = client.get("/metrics", auth=credentials())
    assert response.status_code == 200
    families = text_string_to_metric_families(response.get_data(as_text=True))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def labelled(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))
