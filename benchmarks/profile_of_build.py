"""Split the time of ``scripts/build.py``, by its output and dbt's results.

dbt's results: https://docs.getdbt.com/reference/artifacts/run-results-json
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from timing import Cost

LISTED: Final = "files to load"
LOADED: Final = ("Loaded ", "Nothing new to load")
KINDS: Final = {
    "model": "models",
    "seed": "seeds",
    "test": "data tests",
    "unit_test": "unit tests",
    "operation": "hooks at the end",
}


def profile(cost: Cost, nodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return seconds per phase, per kind of node (summed over threads) and per node."""
    moments = sorted(_moments(nodes))
    listed, loaded = cost.moment_of(LISTED), cost.moment_of(*LOADED)
    nodes_ran = moments[-1] - moments[0]
    kinds: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    each: dict[str, float] = defaultdict(float)
    for node in nodes:
        kind = node["unique_id"].split(".")[0]
        kinds[KINDS.get(kind, kind)] += node["execution_time"]
        counts[KINDS.get(kind, kind)] += 1
        name = kind + " " + node["unique_id"].split(".", 2)[2]
        each[name] += node["execution_time"]
    return {
        "phases": {
            "start of the command, and listing the files": listed,
            "load: parse, check, write": loaded - listed,
            # The rest of the time.
            "dbt's own start and end, and the summary": cost.wall - loaded - nodes_ran,
            "dbt's nodes": nodes_ran,
        },
        "kinds": dict(kinds),
        "counts": dict(counts),
        "nodes": dict(sorted(each.items(), key=lambda item: -item[1])),
    }


def _moments(nodes: Sequence[dict[str, Any]]) -> list[float]:
    return [
        datetime.fromisoformat(timing[end]).timestamp()
        for node in nodes
        for timing in node["timing"]
        for end in ("started_at", "completed_at")
        if timing.get(end)
    ]
