"""The law: the star depends on the set of raw records, not on how they came."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from conftest import TABLES, Load, Warehouse, assert_table_is_the_oracles
from oracle import build_star, read_folder

LOADS = 4


@pytest.mark.parametrize("seed", range(2))
def test_the_star_is_the_same_however_the_files_came(
    warehouse: Warehouse, load: Load, sample_data: Path, tmp_path: Path, seed: int
) -> None:
    """Files in any order, in several loads, one of them first in another version."""
    chance = random.Random(seed)  # noqa: S311 -- no secret
    files = sorted(path for path in sample_data.rglob("*.json*") if path.is_file())
    chance.shuffle(files)
    arrived = tmp_path / "data"
    for part in ("log_data", "song_data"):
        (arrived / part).mkdir(parents=True)
    replaced = next(path for path in files if "log_data" in path.parts)
    early = arrived / replaced.relative_to(sample_data)
    early.parent.mkdir(parents=True, exist_ok=True)
    early.write_bytes(b'{"sessionId": 1, "itemInSession": 0, "ts": 5}\nbad\n')
    assert load(arrived) == 0
    for number in range(LOADS):
        for path in files[number::LOADS]:
            place = arrived / path.relative_to(sample_data)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        again = arrived / "song_data" / f"again-{number}.json"
        song = next(path for path in files[number::LOADS] if "song_data" in path.parts)
        shutil.copy(song, again)
        assert load(arrived) == 0
    done = warehouse.dbt("build")
    assert done.returncode == 0, done.stdout
    star = build_star(read_folder(sample_data))
    for table in TABLES:
        assert_table_is_the_oracles(warehouse, star, table)
