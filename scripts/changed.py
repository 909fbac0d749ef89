#!/usr/bin/env python3
"""Build what changed since the last good build, and say what that does to the data.

What changed, and what hangs on it, is built and tested in a schema of its own, beside
the star, which stays as it is; what it reads of the rest is the last good build's. The
last good build is that of scripts/build.py whose tests all passed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, Final

from tabulate import tabulate

from analyses import answer_of
from dashboard import CHARTS, whole_board
from sparkify.answers import Answer, written
from sparkify.dbt_profile import PROJECT, read_target
from sparkify.dbt_run import run_dbt
from sparkify.errors import SparkifyError, without_traceback
from sparkify.progress import progress

BUILT: Final = ("model", "seed", "snapshot")
TESTS: Final = ("test", "unit_test")
MOST: Final = 5
"""So many values of one answer that differ are reported; the others are counted."""


@without_traceback
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if what changed was built and all its tests passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["build", "diff"], help="build it, or compare")
    parser.add_argument("--target", help="target of profiles.yml (default: dbt's own)")
    parser.add_argument(
        "--markdown", action="store_true", help="print the comparison as Markdown"
    )
    options = parser.parse_args(argv)
    changes = Changes(read_target(options.target))
    if options.what == "build":
        return changes.build()
    print(report(changes.differences(), changes, markdown=options.markdown))
    print("\nWhich answers and figures change:\n")
    for line in changes.consequences():
        print(f"- {line}")
    return 0


def target_path() -> Path:
    """Give the folder that dbt writes into."""
    return PROJECT / os.environ.get("DBT_TARGET_PATH", "target")


def good_build(target: str) -> Path:
    """Give the folder that holds the manifest of a target's last good build."""
    return target_path() / "last_good" / target


def changed_build(target: str) -> Path:
    """Give the folder that says what the last ``make changed`` built beside it."""
    return target_path() / "changed" / target / "built"


def keep_good_build(target: str) -> None:
    """Keep the manifest of the build that ended now; what is beside it is old."""
    folder = good_build(target)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(target_path() / "manifest.json", folder / "manifest.json")
    shutil.rmtree(changed_build(target), ignore_errors=True)


class Changes:
    """What changed since the last good build of one target."""

    def __init__(self, target: dict[str, Any]) -> None:
        """Take a target of the profile. Raises SparkifyError without a good build."""
        self.target = str(target["name"])
        self.schema = f"{target['schema']}_changed"
        self.good_schema = str(target["schema"])
        self.state = good_build(self.target)
        self.built = changed_build(self.target)
        self.folder = self.built.parent
        self.manifest: Any = None
        if not (self.state / "manifest.json").exists():
            raise SparkifyError(
                f"There is no good build of the target {self.target} to compare with.",
                f"Build it: make build TARGET={self.target}.",
            )

    def build(self) -> int:
        """Build and test what changed; give 0 if all went well, else 1."""
        for node in _nodes(self.state / "manifest.json").values():
            if f"{node['schema']}_".startswith(f"{self.schema}_"):
                raise SparkifyError(
                    f"{node['name']} is in the schema {node['schema']},"
                    " which make changed would drop.",
                    "Give it another schema.",
                )
        shutil.rmtree(self.built, ignore_errors=True)
        self.manifest = self._dbt("parse").result
        with redirect_stdout(StringIO()):
            listed = self._dbt("ls", *self._selected(), "--output", "json").result
        nodes = [json.loads(line) for line in listed]
        if not nodes:
            print("Nothing changed since the last good build.")
            return 0
        tables = [node["name"] for node in nodes if node["resource_type"] in BUILT]
        print(
            f"In the schema {self.schema}: building {', '.join(tables) or 'no table'},"
            f" running {len(nodes) - len(tables)} tests ..."
        )
        self._dbt("run-operation", "drop_changes")
        with progress("dbt build", "nodes", len(nodes)) as bar:

            def on_event(event: Any) -> None:  # noqa: ANN401 -- dbt's own, untyped
                if event.info.name == "NodeFinished":
                    bar.update()

            # Tests come last, so that one that fails does not hide what a change does.
            built = self._dbt(
                *("build", "--full-refresh", "--favor-state", *self._selected(*TESTS)),
                on_event=on_event,
                may_fail=True,
            )
            self.built.mkdir()
            for name in ("manifest.json", "run_results.json"):
                shutil.copy(self.folder / name, self.built / name)
            # Without --favor-state: a test reads a table beside, if it was built there.
            tested = self._dbt(
                "test", *self._selected(), on_event=on_event, may_fail=True
            )
        failed = _failed(built) + _failed(tested)
        if failed:
            print(
                f"Failed: {', '.join(failed)}. What the change does to the data: make"
                " diff"
            )
            return 1
        print("Build and tests passed. What the change does to the data: make diff")
        return 0

    def _selected(self, *without: str) -> list[str]:
        return [
            *("--select", "state:modified+"),
            # What a test reads of the rest is the last good build's.
            *("--indirect-selection", "eager"),
            *("--exclude-resource-types", "analysis", "exposure", "metric"),
            *("semantic_model", "saved_query", *without),
            *("--defer", "--state", str(self.state)),
        ]

    def _dbt(
        self,
        *arguments: str,
        on_event: Callable[[Any], None] = lambda _: None,
        may_fail: bool = False,
    ) -> Any:  # noqa: ANN401 -- dbt's own, untyped
        """Run dbt in this process. Raises SparkifyError if it could not run."""
        command = f"run {arguments[0]}"
        result = run_dbt(
            *(*arguments, "--target-path", str(self.folder)),
            *("--vars", json.dumps({"schema_of_changes": self.schema})),
            target=self.target,
            to=command,
            manifest=self.manifest,  # one parse serves all
            on_event=on_event,
        )
        if not (result.success or may_fail):
            raise SparkifyError(
                f"dbt could not {command}: see above.", "Mend it and run again."
            )
        return result

    def differences(self) -> list[dict[str, Any]]:
        """Compare each table that was built with the last good build's.

        Raises SparkifyError if nothing was built.
        """
        if not self.built.exists():
            raise SparkifyError(
                "Nothing that changed has been built.", "Build it: make changed."
            )
        now = _nodes(self.built / "manifest.json")
        keys = keys_of(self.built / "manifest.json")
        before = _nodes(self.state / "manifest.json")
        results = json.loads(
            (self.built / "run_results.json").read_text(encoding="utf-8")
        )
        made = [
            result["unique_id"]
            for result in results["results"]
            if result["status"] == "success"
            and result["unique_id"].split(".")[0] in BUILT
        ]
        if not made:
            raise SparkifyError(
                "Of what changed, no table could be built.",
                "make changed says why.",
            )
        pairs = [
            {
                "table": now[name]["name"],
                "key": keys.get(name, []),
                "before": _place(before[name]) if name in before else None,
                "after": _place(now[name]),
            }
            for name in made
        ]
        found: list[dict[str, Any]] = []

        def on_event(event: Any) -> None:  # noqa: ANN401 -- dbt's own, untyped
            said = str(getattr(event.data, "msg", ""))
            if event.info.name.startswith("JinjaLog") and said.startswith(
                "difference "
            ):
                found.append(json.loads(said.removeprefix("difference ")))

        self._dbt(
            *("run-operation", "compare_builds"),
            *("--args", json.dumps({"pairs": pairs})),
            on_event=on_event,
        )
        return found

    def consequences(self) -> Iterator[str]:
        """Yield what changes in the analyses and in the headline figures of boards.

        Each is asked twice: of the last good build, and of the tables that changed.
        """
        self.manifest = self._dbt("parse").result
        names = self._dependents()
        asked = [("--select", *names["analysis"])] if names["analysis"] else []
        titles = dict.fromkeys(names["analysis"], "")
        for board in names["exposure"]:
            figures = list(headlines(board))
            columns = (f"({sql}) as figure_{n}" for n, (*_, sql) in enumerate(figures))
            asked += [("--inline", f"select {', '.join(columns)}")] if figures else []
            for n, (title, label, _) in enumerate(figures):
                titles[f"figure_{n} of {len(asked)}"] = f"{title}, {label}"
        before: dict[str, Answer] = {}
        after: dict[str, Answer] = {}
        for number, what in enumerate(asked, start=1):
            before |= self._answers(what, number, "--favor-state")
            after |= self._answers(what, number)
        differing = 0
        for name, title in titles.items():
            told = list(answer_differences(before.get(name), after.get(name)))
            differing += bool(told)
            column = f"{name.partition(' ')[0]} "
            yield from (
                f"{title or name}: {line.removeprefix(column)}" for line in told
            )
        yield f"{differing} of {len(titles)} differ."

    def _dependents(self) -> dict[str, list[str]]:
        """List the analyses and the boards that read a table that changed."""
        with redirect_stdout(StringIO()):
            listed = self._dbt(
                *("ls", "--select", "state:modified+", "--state", str(self.state)),
                *("--resource-types", "analysis", "exposure", "--output", "json"),
            ).result
        found: dict[str, list[str]] = {"analysis": [], "exposure": []}
        for node in map(json.loads, listed):
            found[node["resource_type"]].append(node["name"])
        return found

    def _answers(
        self, what: Sequence[str], number: int, *how: str
    ) -> dict[str, Answer]:
        """Ask questions by name, or all figures of a board in one row.

        What cannot be asked, as of a column that is new, has no answer. Without more,
        tables that changed are read where they were built.
        """
        result = self._dbt(
            *("--log-level", "none", "show", *what, "--limit", "-1"),
            *("--defer", "--state", str(self.state), *how),
            may_fail=True,
        )
        found: dict[str, Answer] = {}
        for one in result.result.results if result.result else ():
            if one.status == "success":
                answer = answer_of(one)
                if what[0] == "--select":
                    found[one.node.name] = answer
                    continue
                for n, name in enumerate(answer.names):
                    found[f"{name} of {number}"] = replace(
                        answer,
                        columns=answer.columns[n : n + 1],
                        rows=tuple(row[n : n + 1] for row in answer.rows),
                    )
        return found


def headlines(board: str) -> Iterator[tuple[str, str, str]]:
    """Yield the headline figures of a board: its title, their labels, their SQL.

    The SQL has no filters, and leaves `ref` and `source` to dbt.
    """
    planned = whole_board(CHARTS / f"{board}.yml")
    queries = {
        name: query if isinstance(query, str) else query["sql"]
        for name, query in planned["queries"].items()
    }

    def expanded(sql: str) -> str:
        sql = re.sub(r"{{ filter\(.*?\) }}", "1 = 1", sql)
        return re.sub(
            r"{{ queries\.(\w+) }}",
            lambda found: f"({expanded(queries[found[1]])}) as {found[1]}",
            sql,
        )

    for chart in planned["charts"].values():
        if chart["type"] == "kpi":
            sql = f"select {chart['value']} from ({expanded(queries[chart['query']])})"
            yield planned["title"], chart["label"], f"{sql} as headline"


def answer_differences(before: Answer | None, after: Answer | None) -> Iterator[str]:
    """Yield how an answer changes, value by value; nothing if it stays the same."""
    if after is None:
        yield "cannot be answered any more."
        return
    if before is None:
        yield "is new, or could not be answered before."
        return
    if before.names != after.names:
        yield f"columns were {', '.join(before.names)}, are {', '.join(after.names)}."
        return
    if len(before.rows) != len(after.rows):
        yield f"{len(before.rows):,} rows -> {len(after.rows):,} rows"
    found = [
        f"{f'row {number}, ' if len(after.rows) > 1 else ''}{name}"
        f" {written(old) or 'null'} -> {written(new) or 'null'}"
        for number, (row, row_now) in enumerate(
            zip(before.rows, after.rows, strict=False), start=1
        )
        for name, old, new in zip(after.names, row, row_now, strict=True)
        if old != new
    ]
    yield from found[:MOST]
    if len(found) > MOST:
        yield f"{len(found) - MOST:,} more values differ."


def keys_of(manifest: Path) -> dict[str, list[str]]:
    """Return the key of each table that has one, by the id of its node.

    It is what dbt finds in constraints and tests, or the primary entity of the
    table's semantic model.
    """
    found = json.loads(manifest.read_text(encoding="utf-8"))
    keys: dict[str, list[str]] = {}
    for model in found["semantic_models"].values():
        for entity in model["entities"]:
            if entity["type"] == "primary":
                keys[model["depends_on"]["nodes"][0]] = [
                    entity["expr"] or entity["name"]
                ]
    for name, node in found["nodes"].items():
        if node.get("primary_key"):
            keys[name] = node["primary_key"]
    return keys


def _failed(result: Any) -> list[str]:  # noqa: ANN401 -- dbt's own, untyped
    return [
        node.node.name
        for node in getattr(result.result, "results", None) or ()
        if node.status in ("error", "fail", "skipped")
    ]


def _nodes(manifest: Path) -> dict[str, dict[str, Any]]:
    nodes: dict[str, dict[str, Any]] = json.loads(manifest.read_text(encoding="utf-8"))[
        "nodes"
    ]
    return nodes


def _place(node: dict[str, Any]) -> dict[str, str]:
    return {
        "database": node["database"],
        "schema": node["schema"],
        "identifier": node["alias"],
    }


def report(
    differences: Sequence[dict[str, Any]], changes: Changes, *, markdown: bool
) -> str:
    """Say what a change does to the data: a table of counts, then each column."""
    header = ("table", "rows before", "rows now", "added", "gone", "changed")
    counts = ("before", "after", "added", "gone", "changed")
    rows = [
        [found["table"], *(f"{found[name] or 0:,}" for name in counts)]
        for found in differences
    ]
    told = [note for found in differences for note in notes(found)]
    places = f"{changes.schema} against {changes.good_schema}"
    return "\n".join(
        [
            f"What the change does to the data ({places}):",
            "",
            tabulate(
                rows,
                header,
                tablefmt="github" if markdown else "simple",
                colalign=("left", *["right"] * len(counts)),
                disable_numparse=True,
            ),
            "",
            *(f"- {note}" for note in told or ["All values are as before."]),
        ]
    )


def notes(found: dict[str, Any]) -> list[str]:
    """Say of one table what its counts don't: columns, types, and examples."""
    table, before, after = found["table"], found["types_before"], found["types_after"]
    if not before:
        return [f"{table} is new."]
    if not found["key"]:
        return [f"{table} has no key: its rows were counted, not compared."]
    return [
        *(f"{table}.{name} is new." for name in after if name not in before),
        *(f"{table}.{name} is gone." for name in before if name not in after),
        *(
            f"{table}.{name} was {before[name]} and is {after[name]};"
            " its values were not compared."
            for name in after
            if before.get(name, after[name]) != after[name]
        ),
        *(
            f"{table}.{name}: {column['changed']:,}"
            f" {'value' if column['changed'] == 1 else 'values'} changed: "
            + "; ".join(
                f"{', '.join(found['key'])} {row['key']}:"
                f" {_value(row['before'])} -> {_value(row['after'])}"
                for row in column["examples"]
            )
            for name, column in found["columns"].items()
        ),
    ]


def _value(value: str | None) -> str:
    return "null" if value is None else value


if __name__ == "__main__":
    sys.exit(main())
