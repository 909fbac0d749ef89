"""What the house style asks and a machine can check."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from warehouses import PROJECT

ENGINES = re.compile(r"duckdb|redshift|postgres|spark|target\.type", re.IGNORECASE)
WIDTH = 88
LONGEST_NAME = 63  # bytes in a relation's name, which a unit test's name becomes
MODELS = sorted((PROJECT / "models").rglob("*.sql"))
ADAPTERS = sorted((PROJECT / "macros" / "dialects" / "adapters").glob("*.sql"))
MACROS = sorted(set((PROJECT / "macros").rglob("*.sql")) - set(ADAPTERS))
WITH_INPUTS = [p for p in MODELS if re.search(r"ref\(|source\(", p.read_text("utf-8"))]
STORED_MARTS = [
    path
    for path in MODELS
    if "marts" in path.relative_to(PROJECT).parts
    and "materialized = 'view'" not in path.read_text(encoding="utf-8")
]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_engines_are_named_only_in_the_dialects() -> None:
    engine_free = [
        path
        for folder in ("models", "macros", "analyses", "tests")
        for path in (PROJECT / folder).rglob("*.sql")
        if "dialects" not in path.parts
    ]
    assert len(engine_free) > len(MODELS)
    assert [path.name for path in engine_free if ENGINES.search(read(path))] == []


@pytest.mark.parametrize("path", MACROS, ids=lambda path: path.stem)
def test_a_file_has_one_public_macro_of_its_name(path: Path) -> None:
    text = read(path)
    names = re.findall(r"{%-? macro (\w+)\(", text)
    public = [name for name in names if "__" not in name]
    assert public == [path.stem]
    assert text.startswith("{# Returns")
    assert [line for line in text.splitlines() if len(line) > WIDTH] == []
    if "dialects" in path.parts:
        assert f"default__{path.stem}" in names


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: path.stem)
def test_a_macro_in_place_of_an_adapters_names_its_engine(path: Path) -> None:
    names = re.findall(r"{%-? macro (\w+)\(", read(path))
    assert len(names) > 0
    engine = path.stem.partition("_")[0]
    assert [name for name in names if not name.startswith(f"{engine}__")] == []


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_ends_in_its_own_name_and_has_its_yml_beside_it(path: Path) -> None:
    assert read(path).endswith(f"select * from {path.stem}\n")
    described = yaml.safe_load(read(path.with_suffix(".yml")))["models"]
    assert [model["name"] for model in described] == [path.stem]
    assert described[0]["description"].startswith("One row per ")
    for column in described[0]["columns"]:
        assert column["data_type"]
        assert column["description"]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_only_imports_and_the_last_line_select_all(path: Path) -> None:
    text = re.sub(r"\(select \* from {{ (\w+\([^)]*\)|this) }}\)", "", read(path))
    assert text.count("*,") == 0
    assert len(re.findall(r"select\s+\*", text)) == 1


@pytest.mark.parametrize("path", STORED_MARTS, ids=lambda path: path.stem)
def test_a_mart_says_where_its_rows_lie(path: Path) -> None:
    assert re.match(r"{{ config\(\s*dist = '\w+',\s*sort = '\w+'", read(path))


@pytest.mark.parametrize("path", WITH_INPUTS, ids=lambda path: path.stem)
def test_a_rule_has_a_unit_test(path: Path) -> None:
    tests = yaml.safe_load(read(path.with_suffix(".yml"))).get("unit_tests", [])
    assert len(tests) > 0
    assert [test["name"] for test in tests if len(test["name"]) > LONGEST_NAME] == []


def test_no_file_names_a_machine_or_a_package_index() -> None:
    places = r"(^|[^A-Za-z0-9_.~$}])/(root|home|work|farm)/|--(extra-)?index-url"
    found = subprocess.run(
        ["git", "grep", "-nIE", places, "--", ".", ":!tests/test_house_rules.py"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
