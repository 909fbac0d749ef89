"""The formulas of docs/scale.md hold at small size, and the page is made of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest

import scale
import scale_check
import scale_page
from conftest import only_duckdb
from errors import SparkifyError
from scale_check import Check, Where
from warehouses import Builder

SMALLEST = scale_page.EVENTS[0]


def assert_all_hold(found: Iterable[Check], count: int) -> None:
    """See that so many checks were made, and each formula is as near as it claims."""
    checks = list(found)
    assert len(checks) == count
    wrong = [f"{c.formula} ({c.at}): {c.off:+.1%}" for c in checks if not c.holds]
    assert wrong == []


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest of the samples that the page is measured on."""
    return scale_check.generate(tmp_path_factory.mktemp("scale") / "data", SMALLEST)


def test_the_formulas_of_files_hold_at_the_smallest_size(data: Path) -> None:
    assert_all_hold(scale_check.check_logs(data, "generated"), 7)
    assert_all_hold(scale_check.check_parts(data, scale_page.PART), 2)
    assert_all_hold(scale_check.check_manifest(), 2)


@only_duckdb
def test_the_formulas_of_a_star_hold_at_the_smallest_size(
    builder: Builder, data: Path, tmp_path: Path
) -> None:
    # A night is held back from the files.
    data = shutil.copytree(data, tmp_path / "data")
    compiled = builder.warehouse.folder / "target" / "compiled"
    where = Where(builder.warehouse.path, compiled)

    def load() -> None:
        builder.load(data)

    def build() -> None:
        builder.build("--select", *scale_check.SELECTED)

    assert_all_hold(scale_check.check_night(data, load, build, where), 7)
    with duckdb.connect(str(where.star), read_only=True) as star:
        assert_all_hold(scale_check.check_star(star), 5 + len(scale.ROW_BYTES))


def test_the_page_is_what_the_formulas_and_the_last_run_say() -> None:
    found = scale_page.kept()
    assert_all_hold(found, len(found))
    text = scale_page.PAGE.read_text("utf-8")
    assert scale_page.filled(text, found) == text


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(SparkifyError, match="no place for the table overview"):
        scale_page.filled("", [])


def test_a_formula_that_is_off_by_more_than_it_claims_does_not_hold() -> None:
    assert Check("", "", 104, 100, 0.05).holds
    assert not Check("", "", 106, 100, 0.05).holds
    assert not Check("", "", 94, 100, 0.05).holds
    assert Check("", "", 200, 100, 0.05, at_most=True).holds
    assert not Check("", "", 94, 100, 0.05, at_most=True).holds


def test_money_is_prices_times_amounts() -> None:
    assert scale.nodes_month("ra3.xlplus", 2) == pytest.approx(2 * 730 * 1.086)
    assert scale.s3_month(1e12) == pytest.approx(23)
    assert scale.s3_month(51e12) == pytest.approx(50_000 * 0.023 + 1_000 * 0.022)
    assert scale.s3_month(501e12) == pytest.approx(
        50_000 * 0.023 + 450_000 * 0.022 + 1_000 * 0.021
    )
    assert scale.serverless_month(8, 24) == pytest.approx(8 * 730 * 0.36)
    assert scale.spectrum_scan(2e12) == pytest.approx(10)


def test_what_has_a_least_size_never_falls_below_it() -> None:
    node, nodes = scale.cluster(scale.SIZES["100 million"])
    tiny = scale.table_bytes(scale.Size(1, 1), node, nodes)
    assert tiny["songplays"] == 17 * nodes * node.slices * 2 * 2**20
    assert tiny["users"] == 10 * nodes * 2 * 2**20
    assert scale.moments(1e15, 1) == pytest.approx(86_400_000)
    with pytest.raises(ValueError, match="Size"):
        scale.cluster(scale.Size(1e16, 1))
