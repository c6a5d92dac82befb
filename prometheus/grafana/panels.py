"""Elements of dashboards, and their conversion to Grafana's JSON (schema 39, read by Grafana 10 and later)."""

from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["timeseries", "stat", "bargauge", "bars", "table", "heatmap"]

WHOLE_WIDTH = 24
TAG = "loan"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_NATURAL_DESCENDING = 8
_ON_TIME_RANGE_CHANGE = 2


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the legend of its series."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """A panel. `description` says what it shows and when to worry.

    For tables and bars, `key` is the label that joins the queries. At the `thresholds` the panel turns orange, then
    red; with `low_is_bad` it is red below the first and orange below the second.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    thresholds: tuple[float, ...] = ()
    low_is_bad: bool = False
    minimum: float | None = 0
    maximum: float | None = None
    decimals: int | None = None
    stacked: bool = False
    key: str = "bin"
    no_value: str = "no data"
    names: bool = False  # a stat shows the names of its series, not their values


@dataclass(frozen=True)
class Row:
    """Panels under one heading, from left to right, wrapped when a line is full."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A variable at the top of a dashboard, with the values of a label or a fixed list of values."""

    name: str
    label: str
    description: str
    query: str = ""
    values: tuple[str, ...] = ()
    default: str = ""
    several: bool = False


@dataclass(frozen=True)
class Dashboard:
    """A dashboard. Its uid is part of its URL and must not change."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    since: str = "now-6h"


ALERTS_FIRING = 'ALERTS{alertstate="firing", job="$job"}'
VERSION_CHANGES = (
    'max by (model_version) (loan_model_info{job="$job"} == 1) '
    'unless max by (model_version) (loan_model_info{job="$job"} offset 2m == 1)'
)


def dashboard_json(dashboard: Dashboard) -> Json:
    """Return the dashboard as Grafana's JSON."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": [TAG],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": dashboard.since, "to": "now"},
        "timezone": "browser",
        "links": [_links()],
        "annotations": {
            "list": [
                _annotation("Alerts", ALERTS_FIRING, "red", "{{alertname}}", "{{severity}} {{instance}} {{feature}}"),
                _annotation("Served version", VERSION_CHANGES, "blue", "{{model_version}} is served", ""),
            ]
        },
        "templating": {"list": [_source_variable(), *map(_variable, dashboard.variables)]},
        "panels": _placed(dashboard.rows),
    }


def _links() -> Json:
    return {
        "title": "Loan dashboards",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }


def _annotation(name: str, expression: str, color: str, title: str, text: str) -> Json:
    return {
        "name": name,
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": color,
        "expr": expression,
        "step": "60s",
        "titleFormat": title,
        "textFormat": text,
    }


def _source_variable() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}


def _variable(variable: Variable) -> Json:
    common = {
        "name": variable.name,
        "label": variable.label,
        "description": variable.description,
        "multi": variable.several,
        "includeAll": variable.several,
        "current": {"text": variable.default, "value": variable.default} if variable.default else {},
    }
    if variable.values:
        options = [{"text": value, "value": value, "selected": value == variable.default} for value in variable.values]
        return common | {"type": "custom", "query": ",".join(variable.values), "options": options}
    if variable.several:
        common |= {"allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}}
    return common | {
        "type": "query",
        "datasource": _SOURCE,
        "definition": variable.query,
        "query": {"qryType": 1, "query": variable.query, "refId": variable.name},
        "refresh": _ON_TIME_RANGE_CHANGE,
        "sort": _NATURAL_DESCENDING if variable.name == "model_version" else 1,
    }


def _placed(rows: tuple[Row, ...]) -> list[Json]:
    placed: list[Json] = []
    number, top = count(1), 0
    for row in rows:
        placed.append(
            {
                "id": next(number),
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": top, "w": WHOLE_WIDTH, "h": 1},
            }
        )
        top += 1
        left, line = 0, 0
        for panel in row.panels:
            if left + panel.width > WHOLE_WIDTH:
                left, top, line = 0, top + line, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            placed.append({"id": next(number), "gridPos": place} | _panel(panel))
            left, line = left + panel.width, max(line, panel.height)
        top += line
    return placed


def _panel(panel: Panel) -> Json:
    made: Json = {
        "type": "barchart" if panel.kind == "bars" else panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [_target(panel, at, query) for at, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }
    if panel.kind in ("bars", "table"):
        made["transformations"] = _as_one_table(panel)
    return made


def _target(panel: Panel, at: int, query: Query) -> Json:
    at_once = panel.kind in ("stat", "bargauge", "bars", "table")
    formats = {"bars": "table", "table": "table", "heatmap": "heatmap"}
    return {
        "refId": _letter(at),
        "datasource": _SOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
        "format": formats.get(panel.kind, "time_series"),
        "instant": at_once,
        "range": not at_once,
    }


def _letter(at: int) -> str:
    return chr(ord("A") + at)


def _field(panel: Panel) -> Json:
    colors = ("red", "orange", "green") if panel.low_is_bad else ("green", "orange", "red")
    if panel.low_is_bad and len(panel.thresholds) == 1:
        colors = ("red", "green", "green")
    steps = [{"color": color, "value": at} for color, at in zip(colors, (None, *panel.thresholds), strict=False)]
    by_threshold = bool(panel.thresholds) and panel.kind in ("stat", "bargauge")
    field: Json = {
        "unit": panel.unit,
        "noValue": panel.no_value,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds" if by_threshold else "palette-classic"},
    }
    limits = {"min": panel.minimum, "max": panel.maximum, "decimals": panel.decimals}
    field |= {name: value for name, value in limits.items() if value is not None}
    if panel.kind == "timeseries":
        field["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "line" if panel.thresholds else "off"},
        }
    return field


def _options(panel: Panel) -> Json:
    last: Json = {"reduceOptions": {"calcs": ["lastNotNull"], "values": False}}
    legend: Json = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    options: dict[Kind, Json] = {
        "timeseries": {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
        "stat": last | {"colorMode": "value", "graphMode": "none", "textMode": "name" if panel.names else "auto"},
        "bargauge": last | {"displayMode": "basic", "orientation": "horizontal"},
        "bars": {"xField": panel.key, "legend": legend, "showValue": "never", "tooltip": {"mode": "multi"}},
        "table": {"showHeader": True},
        "heatmap": {
            "calculate": False,
            "yAxis": {"unit": panel.unit},
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
        },
    }
    return options[panel.kind]


def _as_one_table(panel: Panel) -> list[Json]:
    """Return a table with one column for each query and one row for each value of the key."""
    legends = [query.legend for query in panel.queries]
    values = ["Value"] if len(legends) == 1 else [f"Value #{_letter(at)}" for at in range(len(legends))]
    times = ["Time", *(f"Time {at + 1}" for at in range(len(legends)))]
    return [
        {"id": "joinByField", "options": {"byField": panel.key, "mode": "outer"}},
        {
            "id": "organize",
            "options": {
                "excludeByName": dict.fromkeys(times, True),
                "renameByName": dict(zip(values, legends, strict=True)),
            },
        },
        {"id": "sortBy", "options": {"sort": [{"field": panel.key, "desc": False}]}},
    ]
