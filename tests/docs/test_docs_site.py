"""Test the docs site: it needs no network, and the overview's examples run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import chromium
from warehouses import PROJECT, Builder, Warehouse, copy_of

MODELS = PROJECT / "models"
OVERVIEW = (MODELS / "_overview.md").read_text(encoding="utf-8")
OVERVIEW = OVERVIEW.replace("{% raw %}", "").replace("{% endraw %}", "")
EXAMPLES = [
    re.sub(r"^    ", "", block, flags=re.MULTILINE).strip()
    for block in re.findall(r"(?:^(?:    .*)?\n)+", OVERVIEW, re.MULTILINE)
    if block.strip()
]
GUARD = "tests/docs/test_docs_site.py::test_site_opens_on_overview_without_network"


@pytest.fixture(scope="module")
def site(sample_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that `make docs` writes for the sample."""
    folder = tmp_path_factory.mktemp("docs") / "warehouse"
    done = Builder(copy_of(sample_warehouse, folder)).dbt(
        "docs", "generate", "--static"
    )
    assert done.returncode == 0, done.stdout
    return folder / "target" / "static_index.html"


@pytest.fixture(scope="module")
def manifest(site: Path) -> dict[str, Any]:
    text = (site.parent / "manifest.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


OpenPage = Callable[[str], chromium.Page]


@pytest.fixture
def open_page(site: Path, tmp_path: Path) -> OpenPage:
    """Return a function that opens one page of the site in Chromium."""
    return lambda fragment: chromium.open_page(site, tmp_path, fragment)


def text_of(page: chromium.Page) -> str:
    """Return the text of a page without its scripts and tags."""
    return re.sub(r"<script.*?</script>|<[^>]+>", "", page.dom, flags=re.DOTALL)


def test_site_opens_on_overview_without_network(open_page: OpenPage) -> None:
    page = open_page("#!/overview")
    text = text_of(page)
    for heading in re.findall(r"^#+ (.*)$", OVERVIEW, re.MULTILINE):
        assert heading in text
    assert "{{ ref('plays') }}" in text
    assert "{% raw" not in text
    assert page.requests == []


@pytest.mark.long(guard=GUARD)
def test_model_page_shows_columns_and_descriptions(open_page: OpenPage) -> None:
    page = open_page("#!/model/model.sparkify.songplays")
    text = re.sub(r"\s+", " ", text_of(page))
    assert "One row per play of a song" in text
    described = yaml.safe_load((MODELS / "marts/core/songplays.yml").read_text("utf-8"))
    for column in described["models"][0]["columns"]:
        assert column["name"] in text
    assert "The catalogue song that the play matches." in text
    assert page.requests == []


@pytest.mark.long(guard=GUARD)
def test_lineage_has_input_of_every_column(site: Path, tmp_path: Path) -> None:
    environment = PROJECT / ".venv-lineage"
    subprocess.run(["make", f"{environment.name}/.installed"], cwd=PROJECT, check=True)
    done = subprocess.run(
        [
            *(environment / "bin" / "colibri", "generate", "--disable-telemetry"),
            *("--manifest", site.parent / "manifest.json"),
            *("--catalog", site.parent / "catalog.json", "--output-dir", tmp_path),
        ],
        env=os.environ | {"DBT_COLIBRI_NO_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ERROR" not in done.stdout + done.stderr
    lineage = json.loads((tmp_path / "colibri-manifest.json").read_text("utf-8"))
    targets = {(e["target"], e["targetColumn"]) for e in lineage["lineage"]["edges"]}
    for table in ("songplays", "users", "songs", "artists", "time"):
        name = f"model.sparkify.{table}"
        for column in lineage["nodes"][name]["columns"]:
            assert (name, column) in targets
    assert chromium.open_page(tmp_path / "index.html", tmp_path).requests == []


def test_request_to_network_is_detected(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        '<img src="https://pictures.example/a.png">'
        '<link rel="stylesheet" href="https://fonts.example/a.css">'
        "<script>fetch('https://data.example/a.json')</script>",
        encoding="utf-8",
    )
    assert chromium.open_page(page, tmp_path).requests == [
        "https://data.example/a.json",
        "https://fonts.example/a.css",
        "https://pictures.example/a.png",
    ]


def test_every_overview_example_returns_rows(sample_warehouse: Warehouse) -> None:
    assert len(EXAMPLES) >= 5
    for example in EXAMPLES:
        sql = re.sub(r'^dbt show --inline "(.*)"$', r"\1", example)
        sql = re.sub(r"{{ ref\('(\w+)'\) }}", r'analytics."\1"', sql)
        rows = sample_warehouse.query(sql)
        assert len(rows) > 0, example
        assert all(row[-1] is not None for row in rows), example


def test_overview_page_has_correct_match_rate(sample_warehouse: Warehouse) -> None:
    assert "About one play in twenty matches the catalogue" in OVERVIEW
    ((matched, plays),) = sample_warehouse.query(
        "select count(song_id), count(*) from analytics.songplays"
    )
    assert round(plays / matched) == 20


def test_every_model_has_owner_source_and_dashboard(manifest: dict[str, Any]) -> None:
    models = {
        name: node
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["package_name"] == "sparkify"
    }
    owners = {group["name"] for group in manifest["groups"].values()}
    assert {node["config"]["group"] for node in models.values()} == owners
    ancestors: set[str] = set()
    pending = list(manifest["exposures"])
    assert len(pending) > 0
    while pending:
        name = pending.pop()
        pending += set(manifest["parent_map"].get(name, ())) - ancestors
        ancestors.add(name)
    assert "source.sparkify.raw.staging_events" in ancestors
    assert "source.sparkify.raw.staging_songs" in ancestors
    assert set(models) - ancestors == set()
    assert [node["name"] for node in models.values() if not node["description"]] == []
