"""Test that an incremental run is the same SQL over fewer input rows."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from project_copies import LEFT_OUT, recipe
from raw_lines import event, song
from warehouses import (
    PROJECT,
    Builder,
    Warehouse,
    copy_of,
    make_warehouse,
    write_source,
)

MODELS = sorted((PROJECT / "models").rglob("*.sql"))
RESTRICTION = re.compile(r"\nwhere \w+ in \(\n.*?\n\)(?=\),\n)", re.DOTALL)
CLAIMS = re.compile(r"\(\s*select (\*, false|session_id).*?\) as records", re.DOTALL)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_model_does_not_branch_on_build_type(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"is_incremental|\bthis\b|watermark|{% (if|for)", text)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Return each incremental model's SQL: of a full refresh, of an incremental run."""
    folder = tmp_path_factory.mktemp("compiled")
    builder = Builder(make_warehouse(folder))
    forms: list[dict[str, str]] = []
    for form in ("false", "true"):
        done = builder.dbt(
            *("compile", "--no-introspect", "--no-populate-cache"),
            *("--select", "config.materialized:incremental"),
            *("--vars", f"assume_incremental: {form}"),
        )
        assert done.returncode == 0, done.stdout
        forms.append(
            {
                r.node.name: r.node.compiled_code
                for r in done.result.result.results
                if r.node.resource_type == "model"
            }
        )
    full, increment = forms
    return {name: (full[name], increment[name]) for name in full}


def test_increment_without_restriction_is_full_sql(
    compiled: dict[str, tuple[str, str]],
) -> None:
    """All imports of a model have the same restriction."""
    restricted = set(compiled) - {"int_event_versions"}
    assert len(restricted) >= 4
    for name in restricted:
        full, increment = compiled[name]
        found = RESTRICTION.findall(increment)
        assert len(set(found)) == 1, name
        assert RESTRICTION.sub("", increment) == full, name
        assert len(found) == len(re.findall(r" as \(select \* from ", full)), name


def test_event_versions_differ_only_in_imported_records(
    compiled: dict[str, tuple[str, str]],
) -> None:
    full, increment = compiled["int_event_versions"]
    claims = [found[0] for found in CLAIMS.finditer(increment)]
    assert len(claims) == 3
    assert len(set(claims)) == 1
    assert CLAIMS.sub("", increment) == CLAIMS.sub("", full)
    assert claims != [found[0] for found in CLAIMS.finditer(full)]


ARTISTS = ("Guns N' Roses", "Öde", "a")
GUARD = "tests/docs/test_plain_models.py::test_recipe_table_is_right_after_each_build"


@pytest.mark.parametrize(
    "warehouse",
    [
        "duckdb",
        pytest.param("postgres", marks=pytest.mark.long(guard=f"{GUARD}[duckdb]")),
    ],
    indirect=True,
)
def test_recipe_table_is_right_after_each_build(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """The table is first plain, then incremental, with three loads and builds each.

    The second load of each form changes the artist of a play.
    """
    project = shutil.copytree(PROJECT, tmp_path / "copy", ignore=LEFT_OUT)
    played: dict[int, str] = {}
    data = write_source(tmp_path / "data", {}, {"s.json": song()})
    for number, name in enumerate(("Add a table", "Make a table incremental")):
        for kind, text in recipe(name):
            if kind == "diff":
                command = ["git", "apply", "-"]
                subprocess.run(command, input=text, text=True, cwd=project, check=True)
        builder = Builder(warehouse, project)
        for load in range(3):
            item = 10 * number + load - load % 2
            played[item] = ARTISTS[(number + load) % len(ARTISTS)]
            line = event(
                *(1, item),
                page="NextSong",
                userId="1",
                level="free",
                artist=played[item],
                ts=1_541_105_830_796 + load,
            )
            write_source(data, {f"{number}-{load}.json": line})
            builder.load(data)
            builder.build("--select", "+artist_plays")
            found = warehouse.query(
                'select artist_name, play_count from analytics."artist_plays"'
            )
            assert dict(found) == Counter(played.values())


def test_key_without_event_column_is_an_error(
    sample_warehouse: Warehouse, tmp_path: Path
) -> None:
    project = shutil.copytree(PROJECT, tmp_path / "copy", ignore=LEFT_OUT)
    (project / "models/marts/listening/song_plays.sql").write_text(
        "{{ config(materialized='incremental', unique_key='song_id',"
        " contract={'enforced': false}) }}\n"
        "select song_id, count(*) as play_count from {{ ref('songplays') }}"
        " group by song_id"
    )
    warehouse = copy_of(sample_warehouse, tmp_path / "warehouse")
    builder = Builder(warehouse, project)
    assert builder.dbt("run", "--select", "song_plays").returncode == 0
    done = builder.dbt("run", "--select", "song_plays")
    assert done.returncode == 1
    assert "song_plays cannot be incremental: its unique_key is song_id" in done.stdout
