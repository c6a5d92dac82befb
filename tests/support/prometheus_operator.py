"""Schemas of the Prometheus Operator's objects.

These are not the operator's own schemas: they cover only the fields of API version v1 that the project uses, and
reject all others.
"""

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|[smhdwy]))+$"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NAME: Schema = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def fields(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def several(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def operator_object(kind: str, spec: Schema) -> Schema:
    return fields(
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        apiVersion={"const": "monitoring.coreos.com/v1"},
        kind={"const": kind},
        metadata=fields("name", name=NAME, labels=TEXTS),
        spec=spec,
    )


KEY_OF_SECRET = fields("name", "key", name=NAME, key=TEXT)
RULE = fields("expr", alert=TEXT, record=TEXT, expr=TEXT, labels=TEXTS, annotations=TEXTS)
# Python keywords cannot be passed as keyword arguments.
RULE["properties"] |= {"for": DURATION, "keep_firing_for": DURATION}
RULE["oneOf"] = [{"required": ["alert"]}, {"required": ["record"], "not": {"required": ["for"]}}]

SCHEMAS = {
    "PrometheusRule": operator_object(
        "PrometheusRule",
        fields("groups", groups=several(fields("name", "rules", name=TEXT, interval=DURATION, rules=several(RULE)))),
    ),
    "ServiceMonitor": operator_object(
        "ServiceMonitor",
        fields(
            "selector",
            "endpoints",
            selector=fields("matchLabels", matchLabels=TEXTS),
            endpoints=several(
                fields(
                    "port",
                    port=TEXT,
                    path=TEXT,
                    interval=DURATION,
                    scrapeTimeout=DURATION,
                    basicAuth=fields("username", "password", username=KEY_OF_SECRET, password=KEY_OF_SECRET),
                    relabelings=several(
                        fields(
                            "action",
                            action={"enum": ["replace", "labeldrop"]},
                            targetLabel=TEXT,
                            replacement=TEXT,
                            regex=TEXT,
                        )
                    ),
                )
            ),
            sampleLimit=COUNT,
            labelLimit=COUNT,
            labelValueLengthLimit=COUNT,
        ),
    ),
}


def check(given: dict[str, Any]) -> None:
    """Validate an object. Raises ValidationError if it violates its kind's schema, KeyError for an unknown kind."""
    Draft202012Validator(SCHEMAS[given["kind"]]).validate(given)
