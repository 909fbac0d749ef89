#!/usr/bin/env python3
"""Compare dist and sort keys of the tables on Redshift with their models.

Prints skew, unsorted rows and stale statistics, and a statement that fixes each drift.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tabulate import tabulate

from sparkify.dbt.profile import read_target
from sparkify.dbt.run import run_dbt, show
from sparkify.shared.errors import SparkifyError, without_traceback
from sparkify.shared.quoting import quote_identifier, quote_literal

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

MAX_UNSORTED: Final = 5.0
"""Percent of rows. VACUUM skips a table that is at least 95 percent sorted."""
MAX_STATISTICS_OFF: Final = 10.0
"""Percent of rows. ANALYZE skips a table with fewer changed rows."""
MAX_SKEW: Final = 2.0
"""Rows of the fullest slice, divided by rows of the emptiest slice."""


@dataclass(frozen=True)
class Wanted:
    """The dist and sort configuration of a model."""

    schema: str
    table: str
    dist: str
    sort: tuple[str, ...]

    @property
    def name(self) -> str:
        """The quoted name of the table."""
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.table)}"

    @property
    def diststyle(self) -> str:
        """The distribution style in the notation of svv_table_info."""
        style = self.dist.upper()
        return style if style in ("ALL", "EVEN", "AUTO") else f"KEY({self.dist})"


@dataclass(frozen=True)
class Found:
    """A row of svv_table_info. ``unsorted`` and ``statistics_off`` are in percent.

    ``skew`` is null for diststyle ALL.
    """

    table: str
    diststyle: str
    sort: str
    sort_count: int
    rows: int
    skew: float | None
    unsorted: float
    statistics_off: float


@dataclass(frozen=True)
class Drift:
    """A difference from the configuration, and the statement that fixes it."""

    table: str
    what: str
    statement: str
    is_design: bool


def wanted_of(manifest: Manifest) -> list[Wanted]:
    """Return the configuration of all models that are tables."""
    wanted = []
    for node in manifest.nodes.values():
        config = node.config
        if config.get("materialized") in ("table", "incremental"):
            sort = config.get("sort") or ()
            columns = (sort,) if isinstance(sort, str) else tuple(sort)
            dist = str(config.get("dist") or "auto").lower()
            wanted.append(Wanted(node.schema, node.alias, dist, columns))
    return wanted


def question(schemas: Iterable[str]) -> str:
    """Return a query for the rows of svv_table_info in some schemas."""
    names = ", ".join(quote_literal(schema) for schema in sorted(schemas))
    return (
        'select "schema", "table", diststyle, sortkey1, sortkey_num, tbl_rows,'
        " skew_rows, unsorted, stats_off from svv_table_info"
        f' where "schema" in ({names})'
    )


def found_of(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, str], Found]:
    """Return the rows of ``question`` by schema and table."""
    return {
        (str(schema), str(table)): Found(
            str(table),
            str(diststyle),
            str(sort or ""),
            int(sort_count or 0),
            int(count or 0),
            None if skew is None else float(skew),
            float(unsorted or 0),
            float(off or 0),
        )
        for schema, table, diststyle, *sorts, count, skew, unsorted, off in rows
        for sort, sort_count in [sorts]
    }


def drifts_of(wanted: Wanted, found: Found) -> Iterator[Drift]:
    """Yield the differences between a table and its model."""
    alter = f"alter table {wanted.name} alter"
    table = wanted.table
    if found.diststyle.partition("(")[0] == "AUTO":
        has_dist = wanted.diststyle == "AUTO"
    else:
        has_dist = found.diststyle == wanted.diststyle
    if not has_dist:
        is_key = wanted.diststyle.startswith("KEY")
        how = f"distkey {wanted.dist}" if is_key else f"diststyle {wanted.dist}"
        what = f"dist is {found.diststyle}, not {wanted.diststyle}"
        yield Drift(table, what, f"{alter} {how}", is_design=True)
    is_automatic = found.sort == "" or found.sort.startswith("AUTO")
    has_sort = () if is_automatic else (found.sort, found.sort_count)
    if has_sort != (wanted.sort and (wanted.sort[0], len(wanted.sort))):
        columns = ", ".join(wanted.sort)
        how = f"compound sortkey ({columns})" if columns else "sortkey auto"
        what = f"sort is {found.sort or 'AUTO'}, not {columns or 'AUTO'}"
        yield Drift(table, what, f"{alter} {how}", is_design=True)
    if found.unsorted > MAX_UNSORTED:
        what = f"{found.unsorted:g} % of the rows are unsorted"
        yield Drift(table, what, f"vacuum full {wanted.name}", is_design=False)
    if found.statistics_off > MAX_STATISTICS_OFF:
        what = f"statistics are {found.statistics_off:g} % off"
        yield Drift(table, what, f"analyze {wanted.name}", is_design=False)
    if found.skew is not None and found.skew > MAX_SKEW and has_dist:
        what = (
            f"the fullest slice has {found.skew:g} times the rows of the emptiest;"
            " change dist of the model and of the table to 'even' or another key"
        )
        yield Drift(table, what, f"{alter} diststyle even", is_design=False)


def report(wanted: Sequence[Wanted], found: dict[tuple[str, str], Found]) -> str:
    """Return a text table with the state of each table."""
    lines: list[tuple[str, ...]] = []
    for each in sorted(wanted, key=lambda one: one.table):
        row = found.get((each.schema, each.table))
        if row is None:
            lines.append((each.table, "not built, or empty"))
            continue
        lines.append(
            (
                *(each.table, row.diststyle, row.sort, f"{row.rows:,}"),
                "" if row.skew is None else f"{row.skew:.2f}",
                *(f"{row.unsorted:.1f} %", f"{row.statistics_off:.1f} %"),
            )
        )
    names = ("table", "dist", "sort", "rows", "skew", "unsorted", "stale")
    align = ("left", "left", "left", "right", "right", "right", "right")
    return tabulate(
        lines, names, tablefmt="plain", colalign=align, disable_numparse=True
    )


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 1 if dist or sort keys differ from the models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", help="target of profiles.yml, on Redshift")
    target = read_target(parser.parse_args(argv).target)
    if target["type"] != "redshift":
        raise SparkifyError(
            f"The target {target['name']} is on {target['type']}, which has no dist or"
            " sort keys.",
            "Name a Redshift target with --target.",
        )
    how = {
        "target": target["name"],
        "to": "query Redshift",
        "advice": "Fix the target in profiles.yml, or grant select on svv_table_info to"
        " its user.",
    }
    manifest = run_dbt("parse", **how).result
    wanted = wanted_of(manifest)
    schemas = {each.schema for each in wanted}
    found = found_of(show(question(schemas), manifest=manifest, **how).rows)
    if not found:
        raise SparkifyError(
            f"svv_table_info has no table of the target {target['name']}.",
            f"Run make build TARGET={target['name']}, or grant select on svv_table_info"
            " to the user.",
        )
    print(report(wanted, found))
    drifts = [
        drift
        for each in wanted
        if (each.schema, each.table) in found
        for drift in drifts_of(each, found[each.schema, each.table])
    ]
    for drift in drifts:
        print(f"\n{drift.table}: {drift.what}\n  {drift.statement};")
    if not drifts:
        print("\nAll tables match their models. No VACUUM or ANALYZE is needed.")
    return 1 if any(drift.is_design for drift in drifts) else 0


if __name__ == "__main__":
    sys.exit(main())
