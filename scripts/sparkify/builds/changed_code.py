"""The code that changed since the last good build of a target."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class ChangedCode:
    """The code that differs between two dbt manifests.

    ``macros`` maps the unique id of a model to the names of changed macros that it or
    an upstream model calls. ``is_tested`` is true if unit tests have to run: a model's
    SQL or contract, a seed, a macro or a unit test changed.
    """

    def __init__(self, before: Path, now: Any) -> None:  # noqa: ANN401 -- dbt's own
        """Compare the manifest file of the last good build with the current manifest.

        Without the file, all code counts as changed.
        """
        self.macros: dict[str, list[str]] = {}
        self.is_tested = True
        if not before.exists():
            return
        old = json.loads(before.read_text(encoding="utf-8"))
        new = now.to_dict(omit_none=False)
        changed = {
            name
            for name, macro in new["macros"].items()
            if macro["macro_sql"] != old["macros"].get(name, {}).get("macro_sql")
        }
        self.is_tested = bool(changed) or _code(old) != _code(new)
        for name, node in new["nodes"].items():
            if changed and node["resource_type"] == "model":
                parts = _with_upstream([name], new["nodes"], "nodes")
                used = (new["nodes"][part]["depends_on"]["macros"] for part in parts)
                called = _with_upstream(
                    {macro for macros in used for macro in macros},
                    *(new["macros"], "macros"),
                )
                if found := sorted(changed & called):
                    self.macros[name] = [macro.rpartition(".")[2] for macro in found]


def _code(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return checksums and column types of nodes and unit tests, by unique id."""
    code: dict[str, Any] = {
        name: [
            node["checksum"]["checksum"],
            [column.get("data_type") for column in node["columns"].values()],
        ]
        for name, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed")
    }
    tests = manifest["unit_tests"].items()
    return code | {name: test["checksum"] for name, test in tests}


def _with_upstream(names: Iterable[str], nodes: dict[str, Any], kind: str) -> set[str]:
    """Return named nodes and all their upstream nodes of one kind."""
    found: set[str] = set()
    left = [name for name in names if name in nodes]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [n for n in nodes[name]["depends_on"].get(kind, []) if n in nodes]
    return found
