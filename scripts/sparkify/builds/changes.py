"""Build changed models in a separate schema, and compare them with the last good build.

The separate schema contains changed models and their downstream models. Unchanged
upstream models are read from the last good build: the last run of scripts/build.py
whose tests all passed. Its tables do not change.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, Final

from sparkify.builds.artifacts import changed_build, good_build
from sparkify.builds.differences import answer_differences
from sparkify.dbt.run import answer_of, run_dbt
from sparkify.shared.answers import Answer
from sparkify.shared.errors import SparkifyError
from sparkify.shared.progress import progress

BUILT: Final = ("model", "seed", "snapshot")
TESTS: Final = ("test", "unit_test")
Headlines = Callable[[str], Iterable[tuple[str, str, str]]]
"""Returns title, label and SQL of each headline figure of the named dashboard."""


class Changes:
    """The changes since the last good build of one target."""

    def __init__(self, target: dict[str, Any]) -> None:
        """Raise SparkifyError if the target has no good build."""
        self.target = str(target["name"])
        self.schema = f"{target['schema']}_changed"
        self.schemas = f"{self.schema} compared with {target['schema']}"
        self.state = good_build(self.target)
        self.built = changed_build(self.target)
        self.folder = self.built.parent
        self.manifest: Any = None
        if not (self.state / "manifest.json").exists():
            raise SparkifyError(
                f"Target {self.target} has no good build to compare with.",
                f"Run make build TARGET={self.target}.",
            )

    def build(self) -> int:
        """Build and test the changes. Return 0 if all succeeded, 1 if a node failed.

        Raises SparkifyError if dbt could not run, or would drop a table in use.
        """
        for node in _nodes(self.state / "manifest.json").values():
            if f"{node['schema']}_".startswith(f"{self.schema}_"):
                raise SparkifyError(
                    f"{node['name']} is in the schema {node['schema']},"
                    " which make changed would drop.",
                    "Configure another schema for it.",
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

            # Run tests last, so that a failing test does not skip a model.
            built = self._dbt(
                *("build", "--full-refresh", "--favor-state", *self._selected(*TESTS)),
                on_event=on_event,
                may_fail=True,
            )
            self.built.mkdir()
            for name in ("manifest.json", "run_results.json"):
                shutil.copy(self.folder / name, self.built / name)
            # Without --favor-state, tests read the changed tables where they exist.
            tested = self._dbt(
                "test", *self._selected(), on_event=on_event, may_fail=True
            )
        failed = _failed(built) + _failed(tested)
        if failed:
            print(f"Failed: {', '.join(failed)}. To compare the data, run make diff.")
            return 1
        print("Build and tests passed. To compare the data, run make diff.")
        return 0

    def _selected(self, *without: str) -> list[str]:
        return [
            *("--select", "state:modified+"),
            # Run every test of a changed table, also with unchanged tables.
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
        """Run dbt in this process. Raises SparkifyError if it failed."""
        command = f"run {arguments[0]}"
        result = run_dbt(
            *(*arguments, "--target-path", str(self.folder)),
            *("--vars", json.dumps({"schema_of_changes": self.schema})),
            target=self.target,
            to=command,
            manifest=self.manifest,  # parsed once
            on_event=on_event,
        )
        if not (result.success or may_fail):
            raise SparkifyError(
                f"dbt could not {command}: logs/dbt.log has the error.",
                "Fix it and run again.",
            )
        return result

    def differences(self) -> list[dict[str, Any]]:
        """Compare each changed table with the same table of the last good build.

        Return one dictionary per table, as the macro compare_builds logs it. Raises
        SparkifyError if no changed table was built.
        """
        if not self.built.exists():
            raise SparkifyError("The changes have not been built.", "Run make changed.")
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
                "None of the changed tables could be built.",
                "Run make changed to see why.",
            )
        pairs = [
            {
                "table": now[name]["name"],
                "key": keys.get(name, []),
                "before": _relation(before[name]) if name in before else None,
                "after": _relation(now[name]),
            }
            for name in made
        ]
        found: list[dict[str, Any]] = []

        def on_event(event: Any) -> None:  # noqa: ANN401 -- dbt's own, untyped
            message = str(getattr(event.data, "msg", ""))
            if event.info.name.startswith("JinjaLog") and message.startswith(
                "difference "
            ):
                found.append(json.loads(message.removeprefix("difference ")))

        self._dbt(
            *("run-operation", "compare_builds"),
            *("--args", json.dumps({"pairs": pairs})),
            on_event=on_event,
        )
        return found

    def consequences(self, headlines: Headlines) -> Iterator[str]:
        """Yield the changed answers of analyses and headline figures of dashboards.

        Each query runs twice: on the last good build, and on the changed tables.
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
            lines = list(answer_differences(before.get(name), after.get(name)))
            differing += bool(lines)
            column = f"{name.partition(' ')[0]} "
            yield from (
                f"{title or name}: {line.removeprefix(column)}" for line in lines
            )
        yield f"{differing} of {len(titles)} differ."

    def _dependents(self) -> dict[str, list[str]]:
        """Return the names of downstream analyses and dashboards, by resource type."""
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
        """Run analyses by name, or all figures of a dashboard as one row.

        With --favor-state in ``how``, the last good build is read, otherwise the
        changed tables. A query that fails has no answer, for example on a new column.
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


def keys_of(manifest: Path) -> dict[str, list[str]]:
    """Return the key columns of each table that has a key, by unique id.

    The key comes from constraints and tests, or else from the primary entity of the
    semantic model.
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


def _relation(node: dict[str, Any]) -> dict[str, str]:
    return {
        "database": node["database"],
        "schema": node["schema"],
        "identifier": node["alias"],
    }
