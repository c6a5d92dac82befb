"""`/predict` and `/predict/batch`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from flask import Request, Response, g
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable

from loan_api.credit.reasons import Reason
from loan_api.entrypoints.http.access import Guard
from loan_api.entrypoints.http.blueprint import LoanBlueprint
from loan_api.entrypoints.http.body import has_client_gone, media_type, read_in_pieces, read_json
from loan_api.entrypoints.http.prediction_query import PredictionQuerySchema, wants_reasons
from loan_api.entrypoints.http.requests import current_request
from loan_api.entrypoints.http.schemas import DecidedApplicationSchema, DecidedBatchSchema
from loan_api.errors import SaturatedError
from loan_api.formats.applications import ApplicationCodec
from loan_api.formats.codecs import ARROW, CSV, JSON, MEDIA_TYPES, NDJSON, PARQUET, STREAMED
from loan_api.formats.csv_text import csv_line
from loan_api.formats.timestamps import utc_text
from loan_api.services.admission import ByteBudget, LoadShedder
from loan_api.services.prediction import AnsweredBatch, BatchRequest, PredictionService
from loan_api.services.reasons import ReasonsService

# An application takes a few hundred bytes. Explaining an invalid one must not hold up the worker.
_APPLICATION_BYTES = 2**14
_VERSION_HEADER = "X-Model-Version"
_POLICY_HEADER = "X-Policy-Version"
_BATCH_ID_HEADER = "X-Batch-ID"
_TIMESTAMP_HEADER = "X-Decided-At"
_BINARY = {"type": "string", "format": "binary"}


class _Prediction(msgspec.Struct):
    """The response to one application, with its members in the order of the contract."""

    prediction: int
    probability: float
    model_version: str
    timestamp: str
    decision_id: str
    outside_training_range: Sequence[str]
    decision: str
    rule: str | None
    policy_version: str | None


class _Explained(_Prediction):
    """The response with reasons."""

    reasons: Sequence[Reason]


_encode = msgspec.json.Encoder().encode


def predictions_blueprint(
    codec: ApplicationCodec,
    predictions: PredictionService,
    reasons: ReasonsService,
    guard: Guard,
    shedder: LoadShedder,
    budget: ByteBudget,
    max_batch_rows: int,
    max_request_bytes: int,
) -> LoanBlueprint:
    """Create the endpoints that decide applications."""
    application_bytes = min(_APPLICATION_BYTES, max_request_bytes)
    blueprint = LoanBlueprint("predictions", __name__, description="Get decisions on loan applications.")

    @blueprint.route("/predict", methods=["POST"])
    @blueprint.doc(operationId="predict")
    @blueprint.searches(PredictionQuerySchema)
    @blueprint.needs("score")
    @blueprint.accepts({JSON: codec.schema})
    @blueprint.response(200, DecidedApplicationSchema, description="The decision.")
    @blueprint.problems(400, 408, 409, 413, 415, 422, 500, 503)
    def predict() -> Response:
        """Decide an application.

        Returns the decision, and the model's prediction and probability of approval behind it. The decision is recorded
        before the response is sent: use its `decision_id` to look it up, or to report the outcome of the loan. With
        `reasons=true`, an application that is not approved gets its principal reasons; if they are unavailable,
        nothing is decided.
        """
        guard.require("score")
        try:
            shedder.check()
        except SaturatedError:
            predictions.note_saturation()
            raise
        current = current_request()
        explain = reasons.reasons_for if current.query_string and wants_reasons(current.args) else None
        application = codec.decode(read_json(current, application_bytes))
        decided = predictions.decide(application, g.request_id, explain)
        g.logged = {"decision_id": decided.decision_id, "model_version": decided.model_version}
        answer = (
            decided.prediction,
            decided.probability,
            decided.model_version,
            utc_text(decided.decided_at),
            decided.decision_id,
            decided.outside_training_range,
            *decided.verdict,
            decided.policy_version,
        )
        encoded = _encode(_Prediction(*answer) if decided.reasons is None else _Explained(*answer, decided.reasons))
        return Response(encoded, content_type=JSON)

    @blueprint.route("/predict/batch", methods=["POST"])
    @blueprint.doc(operationId="predictBatch")
    @blueprint.needs("score")
    @blueprint.accepts(_batch_bodies(codec, max_batch_rows))
    @blueprint.response(
        200, DecidedBatchSchema, description="The decisions, in the order of the applications.", headers=_BATCH_HEADERS
    )
    @blueprint.doc(responses={200: {"content": _BATCH_ANSWERS}})
    @blueprint.problems(400, 406, 408, 413, 415, 422, 500, 503)
    def predict_batch() -> Response:
        """Decide a batch of applications.

        Accepts JSON, NDJSON, CSV, Arrow and Parquet. The response has the format of the request, unless `Accept` names
        another one. All rows are decided by the same model version, or none if any row is invalid.
        """
        guard.require("score")
        current = current_request()
        body_type = media_type(current, MEDIA_TYPES)
        response_type = _response_type(current, body_type)
        is_gone = has_client_gone(current)
        try:
            with budget.holding() as holding:
                body = read_in_pieces(current, max_request_bytes, holding.grow)
                batch = BatchRequest(g.request_id, body, body_type, response_type, is_gone)
                answered = predictions.decide_batch(batch)
                del body, batch
        except SaturatedError:
            predictions.note_saturation()
            raise
        g.logged = {
            "batch_id": answered.batch_id,
            "model_version": answered.model_version,
            "rows": answered.summary.rows,
            "format": body_type,
        }
        return _batch_response(answered, response_type)

    return blueprint


def _response_type(request: Request, body_type: str) -> str:
    """Return the media type of the response: the client's preference, by default the body's. Raises NotAcceptable."""
    if not request.accept_mimetypes:
        return body_type
    # Ignore parameters such as charset, because the formats have no variants.
    wanted = MIMEAccept([(kind.partition(";")[0].strip(), quality) for kind, quality in request.accept_mimetypes])
    best = wanted.best_match([body_type, *(other for other in MEDIA_TYPES if other != body_type)])
    if best is None:
        raise NotAcceptable(f"The response can be {', '.join(MEDIA_TYPES)}.")
    return best


def _batch_response(answered: AnsweredBatch, response_type: str) -> Response:
    headers = {
        _VERSION_HEADER: answered.model_version,
        _BATCH_ID_HEADER: answered.batch_id,
        _TIMESTAMP_HEADER: utc_text(answered.decided_at),
    }
    if answered.policy_version is not None:
        headers[_POLICY_HEADER] = answered.policy_version
    body = iter(answered.pieces) if response_type in STREAMED else b"".join(answered.pieces)
    return Response(body, headers=headers, content_type=response_type)


def _header(description: str, **schema: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", **schema}}


_BATCH_HEADERS = {
    _VERSION_HEADER: _header("Semantic version of the model that made the decisions."),
    _POLICY_HEADER: _header("Version of the policy; absent without one."),
    _BATCH_ID_HEADER: _header("Identifies the batch, for example in `GET /decisions/{decision_id}`."),
    _TIMESTAMP_HEADER: _header("Time of the decisions.", format="date-time"),
}
_BATCH_ANSWERS: Mapping[str, Any] = {
    NDJSON: {
        "schema": {"type": "string"},
        "example": '{"prediction":1,"probability":0.85,"row_id":0,"decision":"approve","rule":null}\n',
    },
    CSV: {"schema": {"type": "string"}, "example": "row_id,prediction,probability,decision,rule\n0,1,0.85,approve,\n"},
    ARROW: {"schema": _BINARY},
    PARQUET: {"schema": _BINARY},
}


def _batch_bodies(codec: ApplicationCodec, max_rows: int) -> dict[str, Any]:
    example = codec.form.example()
    line = json.dumps(example, ensure_ascii=False)
    head, row = csv_line(example), csv_line(example.values())
    return {
        JSON: codec.batch_schema(max_rows),
        NDJSON: {
            "type": "string",
            "description": "One application per line, as JSON.",
            "example": f"{line}\n{line}\n",
        },
        CSV: {
            "type": "string",
            "description": "A header with the names of the features in any order, then one application per line.",
            "example": f"{head}{row}{row}",
        },
        ARROW: {**_BINARY, "description": "An Arrow IPC stream with one column per feature."},
        PARQUET: {**_BINARY, "description": "A Parquet file with one column per feature."},
    }
