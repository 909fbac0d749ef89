"""Test that `mf` returns the oracle's values of the metrics on each engine."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from mf_queries import Rows, rows_of, run_mf
from oracle import Listening, build_listening, read_folder
from oracle.listening import Play
from warehouses import NO_TESTS, PROJECT, Builder, Warehouse, copy_of, make_warehouse

METRICS = (
    *("plays", "matched_plays", "listeners", "listening_seconds", "listening_hours"),
    *("plays_per_listener", "match_rate", "paid_share", "upgrades", "downgrades"),
    *("sessions", "users", "paying_users"),
)
BY_WEEK = (
    *("weekly_listeners", "listeners", "new_listeners", "retained_listeners"),
    *("retention_rate", "conversion_rate", "churn_rate"),
)
BY_DAY = ["--metrics", "plays,listeners", "--group-by", "metric_time__day"]
QUERIES = {
    "all": ["--metrics", ",".join(METRICS)],
    "day": BY_DAY,
    "level": ["--metrics", "plays,listening_hours", "--group-by", "play__level"],
    "gender": ["--metrics", "plays,paid_share", "--group-by", "play__gender"],
    "upgrades": ["--metrics", "upgrades", "--group-by", "listener__gender"],
    "week": ["--metrics", ",".join(BY_WEEK), "--group-by", "metric_time__week"],
}
DOCUMENTED = [
    shlex.split(line)[1:]
    for block in re.findall(
        r"```sh\n(.*?)```",
        (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("mf ")
]

# The spinner of mf calls a deprecated method of threads.
pytestmark = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")

ON_DUCKDB = (
    "tests/commands/test_metrics.py::test_each_metric_equals_the_oracles[duckdb]"
)


@pytest.fixture(
    scope="module",
    params=[
        "duckdb",
        pytest.param("postgres", marks=pytest.mark.long(guard=ON_DUCKDB)),
    ],
)
def asked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Rows]:
    """Return the rows that mf returns for each query about the sample, by its name."""
    here = tmp_path_factory.mktemp(f"metrics_{request.param}") / "warehouse"
    if request.param == "duckdb":
        warehouse = copy_of(request.getfixturevalue("sample_warehouse"), here)
    else:
        server = request.getfixturevalue("postgres_server")
        warehouse = make_warehouse(here, "postgres", server)
        builder = Builder(warehouse)
        builder.load(request.getfixturevalue("sample_data"))
        builder.dbt("build", *NO_TESTS, parse=True)
    # mf uses the default target of the profile, as in profiles.example.yml.
    profile = here / "profiles.yml"
    default = "target: \"{{ env_var('DBT_TARGET', 'sample') }}\""
    assert default in (PROJECT / "profiles.example.yml").read_text("utf-8")
    text = profile.read_text("utf-8").replace("target: elsewhere", default)
    profile.write_text(text, encoding="utf-8")
    # mf reads the artifacts in the folder `target` beside dbt_project.yml.
    shutil.copy(PROJECT / "dbt_project.yml", here)
    commands = [["validate-configs"], *DOCUMENTED]
    commands += [
        ["query", *query, "--csv", str(here / f"{name}.csv")]
        for name, query in QUERIES.items()
    ]
    run_mf(warehouse, commands)
    return {name: rows_of(here / f"{name}.csv") for name in QUERIES}


@pytest.fixture(scope="module")
def listening(sample_data: Path) -> Listening:
    """Return the oracle's marts of the sample."""
    return build_listening(read_folder(sample_data))


def listeners(plays: Iterable[Play]) -> int:
    return len({play.user_id for play in plays} - {None})


def hours(plays: Iterable[Play]) -> float:
    return float(sum(play.duration_seconds or 0 for play in plays)) / 3600


def paid_share(plays: list[Play]) -> float:
    return sum(play.level == "paid" for play in plays) / len(plays)


def test_each_metric_equals_the_oracles(
    asked: dict[str, Rows], listening: Listening
) -> None:
    plays = listening.plays
    matched = sum(play.is_matched for play in plays)
    (found,) = asked["all"]
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {
            "plays": len(plays),
            "matched_plays": matched,
            "listeners": listeners(plays),
            "listening_seconds": hours(plays) * 3600,
            "listening_hours": hours(plays),
            "plays_per_listener": len(plays) / listeners(plays),
            "match_rate": matched / len(plays),
            "paid_share": paid_share(plays),
            "upgrades": sum(row.is_upgrade for row in listening.user_level_history),
            "downgrades": sum(row.is_downgrade for row in listening.user_level_history),
            "sessions": len(listening.sessions),
            "users": len({row.user_id for row in listening.user_level_history}),
            "paying_users": sum(
                row.is_current and row.level == "paid"
                for row in listening.user_level_history
            ),
        }
    )
    assert float(found["upgrades"]) > 0


def test_metrics_by_day_equal_the_oracles(
    asked: dict[str, Rows], listening: Listening
) -> None:
    found = {
        row["metric_time__day"][:10]: (int(row["plays"]), int(row["listeners"]))
        for row in asked["day"]
    }
    days = {play.play_date for play in listening.plays}
    assert len(days) > 20
    of_day = {day: [p for p in listening.plays if p.play_date == day] for day in days}
    assert found == {
        str(day): (len(plays), listeners(plays)) for day, plays in of_day.items()
    }


def test_metrics_by_week_equal_the_oracles(
    asked: dict[str, Rows], listening: Listening
) -> None:
    found = {row["metric_time__week"][:10]: row for row in asked["week"]}
    assert len(found) > 3
    for week, row in found.items():
        users = [u for u in listening.user_weeks if str(u.week_start_date) == week]
        retained = sum(user.has_plays and user.had_plays_before for user in users)
        previous = sum(user.had_plays_before for user in users)
        changed = [(user.level_at_start, user.level_at_end) for user in users]
        at_start = [user.level_at_start for user in users]
        expected = {
            "weekly_listeners": sum(user.has_plays for user in users),
            "listeners": sum(user.has_plays for user in users),
            "new_listeners": sum(user.is_first_with_plays for user in users),
            "retained_listeners": retained,
            "retention_rate": ratio(retained, previous),
            "conversion_rate": ratio(
                changed.count(("free", "paid")), at_start.count("free")
            ),
            "churn_rate": ratio(
                changed.count(("paid", "free")), at_start.count("paid")
            ),
        }
        assert {name: float(row[name] or 0) for name in expected} == pytest.approx(
            expected
        )


def ratio(part: int, total: int) -> float:
    return part / total if total else 0


def test_metrics_by_level_equal_the_oracles(
    asked: dict[str, Rows], listening: Listening
) -> None:
    found = {row["play__level"]: row for row in asked["level"]}
    assert set(found) == {"free", "paid"}
    for level, row in found.items():
        plays = [play for play in listening.plays if play.level == level]
        assert int(row["plays"]) == len(plays)
        assert float(row["listening_hours"]) == pytest.approx(hours(plays))


def test_metrics_by_gender_equal_the_oracles(
    asked: dict[str, Rows], listening: Listening
) -> None:
    found = {row["play__gender"]: row for row in asked["gender"]}
    assert {"F", "M"} <= set(found)
    assert set(found) == {play.gender or "" for play in listening.plays}
    for gender, row in found.items():
        plays = [play for play in listening.plays if (play.gender or "") == gender]
        assert int(row["plays"]) == len(plays)
        assert float(row["paid_share"] or 0) == pytest.approx(paid_share(plays))


def test_upgrades_join_the_listener(
    asked: dict[str, Rows], listening: Listening, sample_warehouse: Warehouse
) -> None:
    genders = dict(
        sample_warehouse.query("select user_id, gender from analytics.users")
    )
    expected = dict.fromkeys({g or "" for g in genders.values()}, 0)
    for row in listening.user_level_history:
        expected[genders[row.user_id] or ""] += row.is_upgrade
    found = {row["listener__gender"]: int(row["upgrades"]) for row in asked["upgrades"]}
    assert found == expected


def test_metrics_page_shows_commands() -> None:
    assert len(DOCUMENTED) > 4
