#!/usr/bin/env python3
"""Compare where Redshift keeps the rows of each table with what its model asks for.

Prints skew, unsorted rows and stale statistics, and the statement that mends each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tabulate import tabulate

from sparkify.dbt_profile import read_target
from sparkify.dbt_run import run_dbt, show
from sparkify.errors import SparkifyError, without_traceback
from sparkify.quoting import quote_identifier, quote_literal

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

MOST_UNSORTED: Final = 5.0
"""Percent of rows: VACUUM leaves a table alone that is sorted to 95 percent."""
MOST_STATISTICS_OFF: Final = 10.0
"""Percent of rows: ANALYZE leaves a table alone whose changes are fewer."""
MOST_SKEW: Final = 2.0
"""Rows of the fullest slice by those of the emptiest, which waits half the time."""


@dataclass(frozen=True)
class Wanted:
    """What a model asks for: as svv_table_info writes it, and as ALTER TABLE does."""

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
        """The distribution, as svv_table_info writes it."""
        style = self.dist.upper()
        return style if style in ("ALL", "EVEN", "AUTO") else f"KEY({self.dist})"


@dataclass(frozen=True)
class Found:
    """A row of svv_table_info; shares in percent, no skew where each node has all."""

    table: str
    diststyle: str
    sort: str
    sort_count: int
    rows: int
    skew: float | None
    unsorted: float
    statistics_off: float


@dataclass(frozen=True)
class Fault:
    """What is not as it should be, and the statement that mends it."""

    table: str
    what: str
    statement: str
    is_design: bool


def wanted_of(manifest: Manifest) -> list[Wanted]:
    """List what the models ask for that are tables."""
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
    """Give the query that asks Redshift for what it has in some schemas."""
    names = ", ".join(quote_literal(schema) for schema in sorted(schemas))
    return (
        'select "schema", "table", diststyle, sortkey1, sortkey_num, tbl_rows,'
        " skew_rows, unsorted, stats_off from svv_table_info"
        f' where "schema" in ({names})'
    )


def found_of(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, str], Found]:
    """Read the answer to the question, by schema and table."""
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


def faults_of(wanted: Wanted, found: Found) -> Iterator[Fault]:
    """Compare a table with what its model asks for."""
    alter = f"alter table {wanted.name} alter"
    table = wanted.table
    if found.diststyle.partition("(")[0] == "AUTO":
        is_there = wanted.diststyle == "AUTO"
    else:
        is_there = found.diststyle == wanted.diststyle
    if not is_there:
        is_key = wanted.diststyle.startswith("KEY")
        how = f"distkey {wanted.dist}" if is_key else f"diststyle {wanted.dist}"
        what = f"dist is {found.diststyle}, not {wanted.diststyle}"
        yield Fault(table, what, f"{alter} {how}", is_design=True)
    is_automatic = found.sort == "" or found.sort.startswith("AUTO")
    has_sort = () if is_automatic else (found.sort, found.sort_count)
    if has_sort != (wanted.sort and (wanted.sort[0], len(wanted.sort))):
        columns = ", ".join(wanted.sort)
        how = f"compound sortkey ({columns})" if columns else "sortkey auto"
        what = f"sort is {found.sort or 'AUTO'}, not {columns or 'AUTO'}"
        yield Fault(table, what, f"{alter} {how}", is_design=True)
    if found.unsorted > MOST_UNSORTED:
        what = f"{found.unsorted:g} % of the rows are unsorted"
        yield Fault(table, what, f"vacuum full {wanted.name}", is_design=False)
    if found.statistics_off > MOST_STATISTICS_OFF:
        what = f"statistics are {found.statistics_off:g} % off"
        yield Fault(table, what, f"analyze {wanted.name}", is_design=False)
    if found.skew is not None and found.skew > MOST_SKEW and is_there:
        what = (
            f"the fullest slice has {found.skew:g} times the rows of the emptiest; give"
            " its model dist = 'even' or another key, and the table too"
        )
        yield Fault(table, what, f"{alter} diststyle even", is_design=False)


def report(wanted: Sequence[Wanted], found: dict[tuple[str, str], Found]) -> str:
    """Return a table of what each model asks for, and what there is."""
    lines: list[tuple[str, ...]] = []
    for each in sorted(wanted, key=lambda one: one.table):
        there = found.get((each.schema, each.table))
        if there is None:
            lines.append((each.table, "not built, or empty"))
            continue
        lines.append(
            (
                *(each.table, there.diststyle, there.sort, f"{there.rows:,}"),
                "" if there.skew is None else f"{there.skew:.2f}",
                *(f"{there.unsorted:.1f} %", f"{there.statistics_off:.1f} %"),
            )
        )
    names = ("table", "dist", "sort", "rows", "skew", "unsorted", "stale")
    align = ("left", "left", "left", "right", "right", "right", "right")
    return tabulate(
        lines, names, tablefmt="plain", colalign=align, disable_numparse=True
    )


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 if a table lies otherwise than its model asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", help="target of profiles.yml, on Redshift")
    target = read_target(parser.parse_args(argv).target)
    if target["type"] != "redshift":
        raise SparkifyError(
            f"The target {target['name']} is on {target['type']}, where rows lie as"
            " they came.",
            "Name a target on Redshift with --target.",
        )
    how = {
        "target": target["name"],
        "to": "ask Redshift",
        "advice": "Fix the target in profiles.yml, or have select on svv_table_info"
        " granted to its user.",
    }
    manifest = run_dbt("parse", **how).result
    wanted = wanted_of(manifest)
    schemas = {each.schema for each in wanted}
    found = found_of(show(question(schemas), manifest=manifest, **how).rows)
    if not found:
        raise SparkifyError(
            f"svv_table_info shows no table of the target {target['name']}.",
            "Build the star, or have select on svv_table_info granted to the user.",
        )
    print(report(wanted, found))
    faults = [
        fault
        for each in wanted
        if (each.schema, each.table) in found
        for fault in faults_of(each, found[each.schema, each.table])
    ]
    for fault in faults:
        print(f"\n{fault.table}: {fault.what}\n  {fault.statement};")
    if not faults:
        print("\nAll tables lie as their models ask, sorted and counted.")
    return 1 if any(fault.is_design for fault in faults) else 0


if __name__ == "__main__":
    sys.exit(main())
