"""SQL that Redshift rejects: each construct, and an alternative that is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

import redshift_sql
from redshift_sql import check
from sparkify.redshift_lint.constructs import CONSTRUCTS

FRAME = "rows between unbounded preceding and current row"
MERGE = "merge into t using s on t.a = s.a when matched then update set b = s.b"

EXAMPLES = {
    "distinct on": (
        "select distinct on (a) a, b from t",
        "select distinct a, on_time from t",
    ),
    "filter": (
        "select count(*) filter (where a > 1) from t",
        "select count(case when a > 1 then 1 end) as filter from t",
    ),
    "lateral": ("select * from t cross join lateral (select 1) as u", "select 1"),
    "returning": ("delete from t returning a", "delete from t"),
    "on conflict": (
        "insert into t values (1) on conflict do nothing",
        "insert into t values (1)",
    ),
    "values as a table": (
        "select * from (values (1), (2)) as t (a)",
        "insert into t (a, b) values (1, 2), (3, 4)",
    ),
    "merge with one branch": (
        MERGE,
        f"{MERGE} when not matched then insert values (s.a, s.b)",
    ),
    "window without a frame": (
        "select sum(a) over (partition by b order by c) from t",
        (
            f"select sum(a) over (order by c {FRAME}), count(*) over (partition by a),"
            " row_number() over (order by a), lag(a) over (order by b) from t"
        ),
    ),
    "range or groups frame": (
        (
            "select sum(a) over (order by b range between 1 preceding and current row)"
            " from t"
        ),
        f"select sum(a) over (order by range_id {FRAME}) from t",
    ),
    "named window": (
        "select rank() over w from t window w as (order by a)",
        "select rank() over (order by a) from t",
    ),
    "tablesample": ("select * from t tablesample system (1)", "select * from t"),
    "fetch first": (
        "select a from t fetch first 1 row only",
        "select a from t limit 1",
    ),
    "except all, intersect all": (
        "select a from t except all select a from u",
        "select a from t except select a from u union all select 1",
    ),
    "with before insert": (
        "with u as (select 1 as a) insert into t select a from u",
        "insert into t with u as (select 1 as a) select a from u",
    ),
    "writing in with": (
        "with u as (delete from t) select 1",
        "with deleted as (select 1) select * from deleted",
    ),
    "as materialized": (
        "with u as materialized (select 1) select * from u",
        "with materialized as (select 1) select * from materialized",
    ),
    "string_agg": (
        "select string_agg(a, ',') from t",
        "select listagg(a, ',') within group (order by a) from t",
    ),
    "array or JSON aggregate": ("select array_agg(a) from t", "select max(a) from t"),
    "JSON function": (
        "select to_jsonb(a) from t",
        "select json_extract_path_text(a, 'b') from t",
    ),
    "JSON operator": ("select a ->> 'b' from t", "select a - '->>' from t -- ->>"),
    "containment operator": ("select a @> b from t", "select a > b from t"),
    "case-insensitive pattern": (
        "select a ~* 'x' from t",
        "select a ~ 'x', a !~ 'y', a ilike 'z' from t",
    ),
    "array": ("select array[1, 2]", "select array(1, 2), a[0] from t"),
    "unnest": ("select unnest(a) from t", "select split_part(a, ',', 1) from t"),
    "generate_series": (
        "insert into t select generate_series(1, 9)",
        "select n as generate_series from numbers",
    ),
    "rows from a pattern": (
        "select regexp_matches(a, 'b') from t",
        "select regexp_substr(a, 'b'), regexp_count(a, 'b') from t",
    ),
    "regexp_replace with flags": (
        "select regexp_replace(a, 'b', 'c', 'g') from t",
        "select regexp_replace(a, 'b', 'c', 1) from t",
    ),
    "back reference": (
        r"select regexp_replace(a, '(b)', ' \\1') from t",
        "select regexp_replace(a, '(b)', ' $1') from t",
    ),
    "bytes": ("select encode(a, 'hex') from t", "create table t (a int encode az64)"),
    "decode of bytes": (
        "select decode(a, 'hex') from t",
        "select decode(a, 1, 'one', 'more') from t",
    ),
    "concat of many": ("select concat(a, b, c) from t", "select concat(a, b) from t"),
    "text function": (
        "select concat_ws('-', a, b) from t",
        "select a || '-' || b, format from t",
    ),
    "date function": (
        "select make_date(2018, 11, 30)",
        "select dateadd(day, 1, a), average_age from t",
    ),
    "to_timestamp of seconds": (
        "select to_timestamp(a / 1000) from t",
        "select to_timestamp(a, 'YYYY-MM-DD') from t",
    ),
    "current time": ("select now()", "select getdate(), sysdate"),
    "local time": ("select localtimestamp", "select 'localtimestamp'"),
    "part of a date": (
        "select extract(isodow from a) from t",
        "select extract(dow from a), date_part(week, b), datediff(day, a, b) from t",
    ),
    "statistical aggregate": ("select corr(a, b) from t", "select avg(a) from t"),
    "mode": ("select mode() within group (order by a) from t", "select mode from t"),
    "row constructor": (
        "select row(a, b) from t",
        "select row_number() over () from t",
    ),
    "UUID function": ("select gen_random_uuid()", "select md5(a) from t"),
    "sequence function": (
        "select nextval('s')",
        "create table t (a int identity(0, 1))",
    ),
    "advisory lock": ("select pg_advisory_lock(1)", "lock table t"),
    "type of PostgreSQL": (
        "create table t (a serial, b json)",
        "create table t (a varbyte, json super)",
    ),
    "reserved word": (
        "select * from raw.load_history",
        'select t.tag, raw_id from "raw".load_history as t',
    ),
    "numeric literal": (
        "select -1.7976931348623157e308, a from t",
        f"select {'9' * 38}, 1.5, cast('1e308' as double precision), e1 from t",
    ),
    "is distinct from": (
        "select a is distinct from b from t",
        "select count(distinct a) from t where b is not null",
    ),
    "size of a type": (
        "select cast(a as varchar(70000)) from t",
        "create table t (a varchar(65535), b numeric(38, 9), c varchar(max))",
    ),
    "truth as text": (
        "select true::varchar",
        "select case when a then 'true' else 'false' end::varchar from t",
    ),
    "collation": (
        'select a from t order by a collate "C"',
        "create table t (a varchar(9) collate case_insensitive)",
    ),
    "prefixed literal": (r"select E'a\n'", r"select 'a\n' as e, 'E'"),
    "check": ("create table t (a int check (a > 0))", "select a as check_count from t"),
    "generated column": (
        "create table t (a int, b int generated always as (a + 1) stored)",
        "create table t (a int generated by default as identity(0, 1))",
    ),
    "create table if not exists as": (
        "create table if not exists t as select 1 as a",
        "create table if not exists t (a int)",
    ),
    "kind of object": (
        "create unique index i on t (a)",
        "create table index_prices (a int)",
    ),
    "several changes of a table": (
        "alter table t add column a int, add column b int",
        "alter table t add constraint k primary key (a, b)",
    ),
    "on commit": ("create temp table t (a int) on commit drop", "commit"),
    "inherits": ("create table t (a int) inherits (u)", "select a from t"),
    "partitioned table": (
        "create table t (a int) partition by range (a)",
        (
            "create external table s.t (a int) partitioned by (b int) stored as parquet"
            " location 's3://b/k'"
        ),
    ),
    "type of a column": (
        "alter table t alter column a type bigint",
        "alter table t alter column a type varchar(99)",
    ),
    "partition of": (
        "create table t partition of u for values in (1)",
        "select rank() over (partition by of_day order by a) from t",
    ),
    "explain analyze": ("explain analyze select 1", "explain select 1"),
    "savepoint": ("savepoint s", "rollback"),
    "do": ("do 'begin end'", "call p()"),
    "local copy": (
        "copy t from stdin",
        "copy t from 's3://b/k' iam_role default json 'auto'",
    ),
    "lock mode": ("lock table t in exclusive mode", "lock table t"),
    "truncate with more": ("truncate t, u", "truncate t"),
}


def names(sql: str) -> list[str]:
    return [finding.construct.name for finding in check(sql)]


def test_each_construct_has_examples() -> None:
    assert sorted(EXAMPLES) == sorted(construct.name for construct in CONSTRUCTS)


def test_rejected_construct_is_found() -> None:
    missed = [name for name, (bad, _) in EXAMPLES.items() if name not in names(bad)]
    assert missed == []


def test_other_forms_of_a_construct_are_found() -> None:
    for name, sql in (
        ("merge with one branch", MERGE.replace("update set b = s.b", "do nothing")),
        ("numeric literal", f"select {'9' * 39}"),
        ("is distinct from", "select a is not distinct from b from t"),
    ):
        insert = " when not matched then insert values (s.a, s.b)"
        assert names(sql + insert * sql.startswith("merge")) == [name]


def test_accepted_alternative_is_not_found() -> None:
    found = {name: names(good) for name, (_, good) in EXAMPLES.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_strings_and_comments_are_ignored() -> None:
    assert names("select 'now()', \"now()\", $$now()$$ /* now() */ -- now()") == []
    assert names(r"select 'it\'s now()', 'it''s now()'") == []


def test_finding_has_its_line() -> None:
    found = check("select 1;\n\nselect\n    'a\nb',\n    now()")
    assert [(finding.construct.name, finding.line) for finding in found] == [
        ("current time", 6)
    ]


def test_command_names_file_line_reason_and_alternative(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "question.sql"
    file.write_text("select\n    string_agg(a, ',')\nfrom t\n", encoding="utf-8")
    assert redshift_sql.main([str(file)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}:2: string_agg: no such function.",
        "    Use listagg.",
        "Checked 1 files. Redshift rejects 1 constructs.",
    ]
    file.write_text("select listagg(a, ',') from t\n", encoding="utf-8")
    assert redshift_sql.main([str(file)]) == 0
    assert redshift_sql.main([str(tmp_path / "gone.sql")]) == 2
    assert "gone.sql cannot be read" in capsys.readouterr().err


def test_command_lists_constructs(capsys: pytest.CaptureFixture[str]) -> None:
    assert redshift_sql.main(["--list"]) == 0
    output = capsys.readouterr().out.splitlines()
    assert output[:2] == [
        "distinct on: no such clause.",
        "    Number the rows by row_number() and keep the first.",
    ]
    assert len(output) == 2 * len(CONSTRUCTS)


def test_redshift_accepts_all_sql_of_the_project(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = redshift_sql.compiled_files()
    kinds = {"analyses", "models", "tests"}
    assert kinds <= {part for file in files for part in file.parts}
    status = redshift_sql.main(list(map(str, files)))
    assert status == 0, capsys.readouterr().out
