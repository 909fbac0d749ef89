"""Test the rules of the house style that a machine can check."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from conftest import GUARDS, KEPT
from warehouses import PROJECT

ENGINES = re.compile(r"duckdb|redshift|postgres|spark|target\.type", re.IGNORECASE)
WIDTH = 88
MAX_NAME = 63  # bytes in the name of a relation, which a unit test becomes
SCRIPTS = PROJECT / "scripts"
COMMANDS = {
    path.stem: path
    for folder in (SCRIPTS, SCRIPTS / "checks")
    for path in sorted(folder.glob("*.py"))
}
LIBRARY = sorted((SCRIPTS / "sparkify").rglob("*.py"))
LAYERS = (
    ("redshift_lint", "shared"),
    ("aws", "dbt", "raw", "sample"),
    ("analyses", "boards", "builds", "explain", "loaders"),
)
"""Folders of the library, the lowest layer first. The commands are above them."""
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
PLAIN_ENGLISH = (
    *("scripts", "macros", "models", "analyses", "charts", "seeds/look_ups", "infra"),
    *("Makefile", "README.md", "CONTRIBUTING.md", "dbt_project.yml", "docs/*.md"),
    *("tests", "benchmarks", ".github", "profiles.example.yml", "pyproject.toml"),
    *(":!tests/docs/test_house_rules.py", ":!benchmarks/results.md"),
)
"""Folders and files that must not contain the phrases in INSTEAD."""
INSTEAD = {
    r"\banew\b": "again, rebuild or full refresh",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\btold\b": "report or return",
    r"(?<!there )\bis no (?!longer)": "is not a",
    r"\bnobody\b(?! of that title)": "null, or no user",
    r"\bat hand\b": "current",
    r"\ba night\b": "a nightly run",
    r'"""give ': "Return",
    r'"""tell ': "Return whether",
    r"\bof before\b": "previous or earlier",
    r"\blet(s|ting)? go\b": "close or release",
    r"\bstands (in for|twice|after|only|for)\b": "replaces or is",
    r"\blies\b": "is",
    r"\bstretch(es)?\b": "period",
    r"\bbegun so far\b|\bgoes on with\b": "continues",
    r"\bin vain\b": "without effect",
    r"\bsee above\b": "name the object",
    r"\brecords? (that )?(is|are|was|were) (still )?refused\b": "rejected",
}
"""Phrases that are not plain English, and what to write instead (any case)."""


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_engines_are_named_only_in_dialects() -> None:
    engine_free = [
        path
        for folder in ("models", "macros", "analyses", "tests")
        for path in (PROJECT / folder).rglob("*.sql")
        if "dialects" not in path.parts
    ]
    assert len(engine_free) > len(MODELS)
    assert [path.name for path in engine_free if ENGINES.search(read(path))] == []


def test_file_has_one_public_macro_of_its_name() -> None:
    for path in MACROS:
        text = read(path)
        names = re.findall(r"{%-? macro (\w+)\(", text)
        assert [name for name in names if "__" not in name] == [path.stem]
        assert text.startswith("{# Returns"), path.stem
        assert [line for line in text.splitlines() if len(line) > WIDTH] == [], path
        if "dialects" in path.parts:
            assert f"default__{path.stem}" in names


def test_replaced_adapter_macro_names_its_engine() -> None:
    for path in ADAPTERS:
        names = re.findall(r"{%-? macro (\w+)\(", read(path))
        assert len(names) > 0, path.stem
        engine = path.stem.partition("_")[0]
        assert [name for name in names if engine not in name] == []


def test_model_ends_in_own_name_and_has_yml() -> None:
    for path in MODELS:
        assert read(path).endswith(f"select * from {path.stem}\n"), path.stem
        described = yaml.safe_load(read(path.with_suffix(".yml")))["models"]
        assert [model["name"] for model in described] == [path.stem]
        assert described[0]["description"].startswith("One row per "), path.stem
        for column in described[0]["columns"]:
            assert column["data_type"], (path.stem, column)
            assert column["description"], (path.stem, column)


def test_only_imports_and_the_last_line_select_all() -> None:
    for path in MODELS:
        text = re.sub(r"\(select \* from {{ \w+\([^{}]*\) }}\)", "", read(path))
        assert text.count("*,") == 0, path.stem
        assert len(re.findall(r"select\s+\*", text)) == 1, path.stem


def test_stored_mart_configures_dist_and_sort() -> None:
    for path in STORED_MARTS:
        config = r"{{ config\(\s*dist = '\w+',\s*sort = '\w+'"
        assert re.match(config, read(path)), path.stem


def test_test_names_have_at_most_eight_words() -> None:
    names = [
        test["name"]
        for path in WITH_INPUTS
        for test in yaml.safe_load(read(path.with_suffix(".yml"))).get("unit_tests", [])
    ]
    for path in (PROJECT / "tests").rglob("test_*.py"):
        names += re.findall(r"^def test_(\w+)", read(path), re.MULTILINE)
    assert [name for name in names if len(name.split("_")) > 8] == []


def test_model_with_inputs_has_unit_tests() -> None:
    for path in WITH_INPUTS:
        tests = yaml.safe_load(read(path.with_suffix(".yml"))).get("unit_tests", [])
        assert len(tests) > 0, path.stem
        long = [test["name"] for test in tests if len(test["name"]) > MAX_NAME]
        assert long == []


def imports_of(path: Path) -> set[str]:
    """Return the modules of scripts/ that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] in ("sparkify", *COMMANDS)}


def test_commands_have_main_and_library_imports_none() -> None:
    for path in COMMANDS.values():
        assert "\ndef main(" in read(path), path
        assert '__name__ == "__main__"' in read(path), path
    for path in LIBRARY:
        text = read(path)
        assert "argparse" not in text, path
        assert "__main__" not in text, path
        assert [name for name in imports_of(path) if name in COMMANDS] == [], path


def module_of(name: str) -> Path:
    """Return the file of the library that contains an imported name."""
    path = SCRIPTS.joinpath(*name.split("."))
    while True:
        for found in (path.with_suffix(".py"), path / "__init__.py"):
            if found in LIBRARY:
                return found
        path = path.parent


def test_library_folders_import_only_lower_layers() -> None:
    height = {folder: n for n, layer in enumerate(LAYERS) for folder in layer}
    graph = {}
    for path in LIBRARY[1:]:  # the first is sparkify/__init__.py
        folder = path.relative_to(SCRIPTS / "sparkify").parts[0]
        graph[path] = set(map(module_of, imports_of(path))) - {path}
        others = {
            module.relative_to(SCRIPTS / "sparkify").parts[0] for module in graph[path]
        } - {folder}
        upward = [name for name in others if height[name] >= height[folder]]
        assert upward == [], path
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_links_between_pages_point_to_files() -> None:
    pages = [
        path
        for path in (*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"))
        if path.is_file()
    ]
    assert len(pages) > len(MODELS)
    broken = [
        (page.name, link)
        for page in [*pages, PROJECT / "benchmarks" / "results.md"]
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", read(page))
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_guards_of_long_tests_are_in_make_test(pytestconfig: pytest.Config) -> None:
    guards, kept = pytestconfig.stash[GUARDS], pytestconfig.stash[KEPT]
    collected = {name.partition("::")[0] for name in (*guards, *kept)}
    absent = {guard.partition("::")[0] for guard in guards.values()} - collected
    if absent:
        pytest.skip(f"not collected: {', '.join(sorted(absent))}")
    wrong = {test: guard for test, guard in guards.items() if guard not in kept}
    assert wrong == {}, "a guard is missing or is a long test"


def test_text_is_plain_english() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--", *PLAIN_ENGLISH],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    phrases = {re.compile(p, re.IGNORECASE): word for p, word in INSTEAD.items()}
    found = [
        f"{name}:{number}: instead of {match[0]!r} write {word}"
        for name in listed
        for number, line in enumerate(read(PROJECT / name).splitlines(), start=1)
        for phrase, word in phrases.items()
        if (match := phrase.search(line))
    ]
    assert found == []


def test_no_file_names_machine_or_package_index() -> None:
    pattern = r"(^|[^A-Za-z0-9_.~$}])/(root|home|work|farm)/|--(extra-)?index-url"
    found = subprocess.run(
        ["git", "grep", "-nIE", pattern, "--", ".", ":!tests/docs/test_house_rules.py"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
