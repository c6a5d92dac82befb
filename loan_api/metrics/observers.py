"""Turns what happens in the service into metrics. The services and the API know only the protocols these fulfil."""

from collections.abc import Sequence
from typing import Literal

from prometheus_client import Gauge

from loan_api.credit.decision import APPROVED
from loan_api.metrics.instruments import Instruments
from loan_api.services.model_registry import ServedModel
from loan_api.services.prediction import Decision, Endpoint


class HttpMetrics:
    """Requests and refusals. Routes are patterns and methods a fixed set, so that labels stay few."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def request_started(self) -> None:
        """A request is being handled."""
        self._instruments.http_requests_in_progress.inc()

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered with `status` after `seconds`."""
        self._instruments.http_requests.labels(method, route, str(status)).inc()
        self._instruments.http_request_duration.labels(method, route).observe(seconds)

    def request_ended(self) -> None:
        """A request is not being handled any more."""
        self._instruments.http_requests_in_progress.dec()

    def field_refused(self, field: str, reason: str, times: int) -> None:
        """`field` was refused for `reason`, `times` times in one request."""
        self._instruments.validation_errors.labels(field, reason).inc(times)


class PredictionMetrics:
    """Decisions and failures to decide."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def decided(self, endpoint: Endpoint, decisions: Sequence[Decision], model_version: str, seconds: float) -> None:
        """Counts the decisions by outcome, and how they spread."""
        approved = sum(decision.prediction == APPROVED for decision in decisions)
        for outcome, count in (("approved", approved), ("rejected", len(decisions) - approved)):
            self._instruments.predictions.labels(endpoint, outcome, model_version).inc(count)
        probability = self._instruments.prediction_probability.labels(model_version)
        for decision in decisions:
            probability.observe(decision.probability)
        self._instruments.prediction_duration.labels(endpoint).observe(seconds)
        if endpoint == "batch":
            self._instruments.batch_rows.observe(len(decisions))

    def failed(self, reason: Literal["no_model", "scoring_failed"]) -> None:
        """Counts the failure."""
        self._instruments.prediction_errors.labels(reason).inc()


class ReloadMetrics:
    """Which model is served, and whether changing it works."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def model_loaded(self, model: ServedModel, replaced: ServedModel | None) -> None:
        """Names the served model; the replaced one's series goes to 0, as series cannot be withdrawn."""
        self._instruments.model_reloads.labels("success").inc()
        if replaced is not None:
            self._info(replaced).set(0)
        self._info(model).set(1)

    def model_load_failed(self) -> None:
        """Counts the failure."""
        self._instruments.model_reloads.labels("failure").inc()

    def _info(self, model: ServedModel) -> Gauge:
        version = model.version
        return self._instruments.model_info.labels(
            version.semantic_version, version.registry_version, version.facts.algorithm, model.scorer.name
        )
