"""Explain a metric on a day: its SQL, rows and files, and its value in Python."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sparkify.explain import choices
from sparkify.explain.asking import Warehouse
from sparkify.explain.choices import ranked
from sparkify.explain.records import EPOCH, Record, cleaned
from sparkify.explain.words import counted, shown, table
from sparkify.raw.rules import EVENTS
from sparkify.shared.errors import SparkifyError, printable

MAX_RECORDS: Final = 200_000
"""Maximum number of raw records of a day to which Python applies the rules."""
MAX_EXAMPLES: Final = 5

FUNCTIONS: Final = {"count_distinct": "count(distinct {})", "average": "avg({})"}
"""SQL of the aggregations in dbt's metrics that are not SQL functions."""

PYTHON_METRICS: Final[dict[str, Callable[[Sequence[Record]], Any]]] = {
    "plays": len,
    "listeners": lambda plays: len({p["user_id"] for p in plays} - {None}),
    "listening_seconds": lambda plays: sum(
        (p["duration_seconds"] or Decimal(0) for p in plays), Decimal(0)
    ),
}
"""Functions that compute a metric in Python from the plays of a day."""

_DIMENSION: Final = re.compile(r"\{\{\s*Dimension\('\w+?__(\w+)'\)\s*\}\}")
_ONE_LEVEL: Final = re.compile(r"level = '(\w+)'")


class Input(NamedTuple):
    """A metric that aggregates one model. The filter may be empty."""

    name: str
    metric: str
    model: str
    aggregation: str
    day: str
    is_weekly: bool
    filter: str


def explain_figure(warehouse: Warehouse, metric: str, day: str) -> str:
    """Return the explanation of a metric on a day.

    Raises SparkifyError if the metric does not exist, or the day is not a date.
    """
    found, expression = _read(warehouse.manifest, metric)
    first = _first_day(day, is_weekly=found[0].is_weekly)
    last = first + timedelta(days=6 if found[0].is_weekly else 0)
    sql = _query(found, expression, first)
    (row,) = warehouse.rows(sql)
    when = f"in the week from {first}" if found[0].is_weekly else f"on {first}"
    parts = [
        f"{metric} {when} is {shown(row['value'])}.",
        "The SQL, for dbt show --inline:",
        "\n".join(f"  {line}" for line in sql.splitlines()),
    ]
    compared = _values_in_python(warehouse, found, first, last)
    counted_rows = [
        {
            "metric": used.name,
            "model": used.model,
            "rows": row[f"rows_{number}"],
            "value": row[f"value_{number}"],
        }
        | ({"rules in Python": compared[used.name]} if compared else {})
        for number, used in enumerate(found)
    ]
    parts += ["It is made from:", table(counted_rows)]
    if compared:
        parts.append(_comparison(counted_rows, warehouse.target))
    else:
        parts.append(
            f"The rules in Python count only {', '.join(PYTHON_METRICS)}, and metrics"
            f" made from these, up to {MAX_RECORDS:,} raw records a day."
        )
    parts += _examples(warehouse, found[0], first)
    return "\n\n".join(parts)


def _read(manifest: Any, name: str) -> tuple[list[Input], str]:  # noqa: ANN401 -- dbt's own
    """Return the inputs of a metric, and the SQL expression over their names."""
    metrics = {metric.name: metric for metric in manifest.metrics.values()}
    if name not in metrics:
        near = difflib.get_close_matches(name, metrics) or sorted(metrics)
        raise SparkifyError(
            f"There is no metric {printable(name)}.", f"Name one of: {', '.join(near)}."
        )
    params = metrics[name].type_params
    kind = str(metrics[name].type.value)
    if kind == "simple":
        return [_input(manifest, metrics[name], name, None)], name
    if kind == "ratio":
        parts = [params.numerator, params.denominator]
        names = [part.alias or part.name for part in parts]
        double = f"{{{{ dbt.cast('{names[0]}', 'double precision') }}}}"
        expression = f"{double} / nullif({names[1]}, 0)"
    else:
        parts, expression = params.metrics, params.expr
    return [
        _input(manifest, metrics[part.name], part.alias or part.name, part.filter)
        for part in parts
    ], expression


def _input(manifest: Any, metric: Any, name: str, filters: Any) -> Input:  # noqa: ANN401 -- dbt's own
    """Return an input of a metric from dbt's manifest."""
    how = metric.type_params.metric_aggregation_params
    (model,) = (
        model
        for model in manifest.semantic_models.values()
        if model.name == how.semantic_model
    )
    (time,) = (d for d in model.dimensions if d.name == how.agg_time_dimension)
    function = FUNCTIONS.get(how.agg.value, f"{how.agg.value}({{}})")
    templates = filters.where_filters if filters else ()
    return Input(
        name=name,
        metric=metric.name,
        model=model.node_relation.alias,
        aggregation=function.format(metric.type_params.expr),
        day=time.expr or time.name,
        is_weekly=time.type_params.time_granularity.value == "week",
        filter=" and ".join(
            _DIMENSION.sub(r"\1", each.where_sql_template) for each in templates
        ),
    )


def _first_day(day: str, *, is_weekly: bool) -> date:
    """Return a day, or the Monday of its week. Raises SparkifyError if invalid."""
    try:
        found = date.fromisoformat(day)
    except ValueError:
        raise SparkifyError(
            f"{printable(day)} is not a day.", "Type it so: DAY=2018-11-15"
        ) from None
    return found - timedelta(days=found.weekday() if is_weekly else 0)


def _where(used: Input, first: date) -> str:
    day = f"cast({used.day} as date) = date '{first}'"
    return f"{day} and {used.filter}" if used.filter else day


def _query(found: Sequence[Input], expression: str, first: date) -> str:
    """Return the query of a metric on a day."""
    steps = [
        f"input_{number} as (\n"
        f"    select {used.aggregation} as {used.name}, count(*) as row_count\n"
        f"    from {{{{ ref('{used.model}') }}}}\n"
        f"    where {_where(used, first)}\n)"
        for number, used in enumerate(found)
    ]
    columns = [
        f"input_{number}.{used.name} as value_{number},"
        f" input_{number}.row_count as rows_{number}"
        for number, used in enumerate(found)
    ]
    sources = " cross join ".join(f"input_{number}" for number in range(len(found)))
    chosen = ",\n    ".join([f"{expression} as value", *columns])
    return f"with {', '.join(steps)}\nselect\n    {chosen}\nfrom {sources}"


def _values_in_python(
    warehouse: Warehouse, found: Sequence[Input], first: date, last: date
) -> dict[str, Any]:
    """Return the value of each input in Python, or {} if it cannot be computed."""
    levels = {used.name: _ONE_LEVEL.fullmatch(used.filter) for used in found}
    if any(
        used.metric not in PYTHON_METRICS or (used.filter and not levels[used.name])
        for used in found
    ):
        return {}
    plays = _plays(warehouse, first, last)
    if plays is None:
        return {}
    values = {}
    for used in found:
        level = levels[used.name]
        of_level = [p for p in plays if level is None or p["level"] == level[1]]
        values[used.name] = PYTHON_METRICS[used.metric](of_level)
    return values


def _plays(warehouse: Warehouse, first: date, last: date) -> list[Record] | None:
    """Return the plays from `first` to `last`, or None for too many raw records.

    Reads all raw records of the events, also those with another day.
    """
    begin, end = (
        (datetime(d.year, d.month, d.day, tzinfo=UTC).replace(tzinfo=None) - EPOCH)
        // timedelta(milliseconds=1)
        for d in (first, last + timedelta(days=1))
    )
    source = "{{ source('raw', 'staging_events') }}"
    of_days = f"ts >= {begin} and ts < {end}"
    (size,) = warehouse.rows(
        f"select count(*) as row_count from {source} where {of_days}"
    )
    if size["row_count"] > MAX_RECORDS:
        return None
    rows = warehouse.rows(
        f"with claims as (select * from {source}), of_days as (\n"
        "    select distinct sessionid as session_id, iteminsession as item_in_session"
        f"\n    from {source} where {of_days}\n)\n"
        "select claims.* from claims inner join of_days\n"
        "on claims.sessionid = of_days.session_id"
        " and claims.iteminsession = of_days.item_in_session"
    )
    events = defaultdict(list)
    for row in rows:
        record = cleaned(EVENTS, row)
        events[record["session_id"], record["item_in_session"]].append(record)
    latest = [ranked(records, choices.EVENT)[0] for records in events.values()]
    return [
        event
        for event in latest
        if event["page"] == "NextSong" and first <= event["start_time"].date() <= last
    ]


def _comparison(rows: Sequence[dict[str, Any]], target: str) -> str:
    """Return a sentence on whether Python and the warehouse differ."""
    if all((row["value"] or 0) == row["rules in Python"] for row in rows):
        return "The rules in Python return the same values from the raw records."
    return (
        "The value of the rules in Python differs from the warehouse. Raw records"
        f" have arrived since the last build: make build TARGET={target}."
    )


def _examples(warehouse: Warehouse, used: Input, first: date) -> list[str]:
    """Return text with some rows of a model. Events have files and lines."""
    columns = warehouse.manifest.nodes[f"model.sparkify.{used.model}"].columns
    key = next(iter(columns))
    is_of_events = "item_in_session" in columns
    names = [key, *(["session_id", "item_in_session"] if is_of_events else [])]
    rows = warehouse.rows(
        f"select {', '.join(names)} from {{{{ ref('{used.model}') }}}}"
        f" where {_where(used, first)} order by {key} limit {MAX_EXAMPLES}"
    )
    if not rows:
        return []
    if not is_of_events:
        keys = ", ".join(shown(row[key]) for row in rows)
        return [f"Some of the rows of {used.model}, by {key}: {keys}."]
    claims = warehouse.claims_of_events(
        [(row["session_id"], row["item_in_session"]) for row in rows]
    )
    key_of = {(row["session_id"], row["item_in_session"]): row[key] for row in rows}
    placed = [
        {
            key: key_of[record["session_id"], record["item_in_session"]],
            **place._asdict(),
        }
        for record, place in zip(claims.records, claims.places, strict=True)
    ]
    return [
        (
            f"Some of the rows, with {counted(len(placed), 'raw record')}"
            f" (make explain songplays KEY={key} explains one):"
        ),
        table(sorted(placed, key=lambda row: (row[key], row["file"], row["line"]))),
    ]
