"""Query a warehouse through dbt, with the same queries for each engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sparkify.dbt.run import run_dbt, show
from sparkify.explain.places import Place, find_places
from sparkify.explain.records import Record, cleaned
from sparkify.raw.rules import EVENTS, SONGS, RawTable


class Claims(NamedTuple):
    """Raw records, each with its file and line."""

    records: list[Record]
    places: list[Place]


class Warehouse:
    """The warehouse of one target of the profile."""

    def __init__(
        self,
        target: str,
        manifest: Any = None,  # noqa: ANN401 -- dbt's own, untyped
        on_query: Callable[[], object] = lambda: None,
    ) -> None:
        """Set the target and dbt's manifest. Without one, parse the project."""
        self.target = target
        self.on_query = on_query
        self.manifest = (
            manifest or run_dbt("parse", target=target, to="read the project").result
        )

    def rows(self, sql: str) -> list[Record]:
        """Return the rows of a query. Raises SparkifyError if dbt cannot answer."""
        table = show(
            sql,
            target=self.target,
            manifest=self.manifest,
            to="answer",
            advice=f"Load and build first: make build TARGET={self.target}.",
        )
        self.on_query()
        names = [name.lower() for name in table.column_names]
        return [dict(zip(names, row.values(), strict=True)) for row in table.rows]

    def claims(self, table: RawTable, where: str) -> Claims:
        """Return the raw records that a SQL condition on raw columns selects."""
        rows = self.rows(
            f"select * from {{{{ source('raw', '{table.name}') }}}} where {where}"
        )
        records = [cleaned(table, row) for row in rows]
        paths = [row["source_path"] for row in rows]
        files = self._files(table, {path for path in paths if path is not None})
        return Claims(records, find_places(table, records, paths, files))

    def claims_of_events(self, keys: Sequence[tuple[int, int]]) -> Claims:
        """Return the raw records of events by (session_id, item_in_session)."""
        return self.claims(
            EVENTS,
            " or ".join(
                f"(sessionid = {session} and iteminsession = {item})"
                for session, item in keys
            ),
        )

    def songs(self, **values: str) -> Claims:
        """Return the catalogue records whose cleaned columns have these values."""
        return self.claims(
            SONGS,
            " and ".join(
                f"{{{{ clean_text('{name}') }}}} = {literal(value)}"
                for name, value in values.items()
            ),
        )

    def _files(self, table: RawTable, paths: Iterable[str]) -> dict[str, Record]:
        """Return the rows of raw.load_history, by path."""
        listed = ", ".join(map(literal, sorted(paths)))
        if not listed:
            return {}
        rows = self.rows(
            "select source, path, size_bytes, version"
            " from {{ source('raw', 'load_history') }}"
            f" where table_name = '{table.name}' and path in ({listed})"
            " order by loaded_at"
        )
        return {row["path"]: row for row in rows}


def literal(text: str) -> str:
    """Return Jinja that renders a text as a SQL literal of the engine."""
    escaped = "".join(
        c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in text
    )
    return f"{{{{ text_literal('{escaped}') }}}}"
