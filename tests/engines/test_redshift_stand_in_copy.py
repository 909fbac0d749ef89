"""COPY of JSON from S3, as the stand-in for Redshift performs it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import redshift_connector

from redshift_stand_in import StandIn

DATABASE = "copies"
BUCKET = "copies"
Load = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def copies(stand_in: StandIn) -> StandIn:
    """Return the stand-in with a database and a bucket for this file."""
    stand_in.create_database(DATABASE)
    stand_in.buckets.make(BUCKET)
    return stand_in


def execute(stand_in: StandIn, *sqls: str) -> dict[str, Any]:
    """Run a batch as one transaction, and return its description."""
    client = stand_in.client("redshift-data")
    submitted = client.batch_execute_statement(
        ClusterIdentifier=stand_in.cluster,
        DbUser=stand_in.user,
        Database=DATABASE,
        Sqls=list(sqls),
        WaitTimeSeconds=30,
    )
    reply: dict[str, Any] = client.describe_statement(Id=submitted["Id"])
    return reply


@pytest.fixture
def load(copies: StandIn) -> Iterator[Load]:
    """Return a function that puts files into the bucket and copies them into t."""

    def run(
        files: dict[str, bytes],
        options: str = "json 'auto'",
        columns: str = "a integer, b varchar(5)",
        source: str = "data/",
        role: str = "",
    ) -> dict[str, Any]:
        for name, body in files.items():
            copies.buckets.put(BUCKET, name, body)
        return execute(
            copies,
            "drop table if exists t",
            f"create table t ({columns})",
            f"copy t from 's3://{BUCKET}/{source}' iam_role '{role or copies.role_arn}'"
            f" {options}",
        )

    yield run
    copies.buckets.empty(BUCKET)


def select(stand_in: StandIn, rest: str = "* from t order by 1, 2") -> list[Any]:
    return stand_in.query(DATABASE, f"select {rest}")


def load_errors(stand_in: StandIn, reply: dict[str, Any]) -> list[Any]:
    """Return the rows of sys_load_error_detail for the last statement of a batch."""
    return stand_in.query(
        DATABASE,
        "select trim(file_name), line_number, trim(column_name), trim(column_type),"
        " trim(column_length), position, error_code, trim(error_message)"
        " from sys_load_error_detail where query_id ="
        f" {reply['SubStatements'][-1]['RedshiftQueryId']} order by line_number",
    )


def test_all_objects_below_prefix_are_loaded(copies: StandIn, load: Load) -> None:
    files = {
        "data/one.json": b'{"a": 1, "b": "x"}{"a":\n2, "b": "y"}',
        "data/2/two.json": b'{"a": 3, "other": [1, 2]}\n\n{"b": null, "a": "4"}\n',
    }
    assert load(files)["Status"] == "FINISHED"
    assert select(copies) == [(1, "x"), (2, "y"), (3, None), (4, None)]


def test_auto_reads_lower_case_names_only(copies: StandIn, load: Load) -> None:
    files = {"data/a.json": b'{"A": 1, "b": "x"}'}
    load(files)
    assert select(copies) == [(None, "x")]
    load(files, "format as json 'auto ignorecase'")
    assert select(copies) == [(1, "x")]


def test_a_jsonpaths_file_maps_columns_in_their_order(
    copies: StandIn, load: Load
) -> None:
    paths = {"jsonpaths": ["$['B']", "$.c[1].d"]}
    files = {
        "paths.json": json.dumps(paths).encode(),
        "data/a.json": b'{"B": 7, "c": [0, {"d": "x"}]} {"B": 8, "c": {}}',
    }
    load(files, f"json 's3://{BUCKET}/paths.json'")
    assert select(copies) == [(7, "x"), (8, None)]
    reply = load(files, f"json 's3://{BUCKET}/paths.json'", "a int, b int, c int")
    sizes = "JSONPath size: 2, Number of columns in table or column list: 3"
    assert sizes in reply["Error"]


def test_jsonpaths_file_below_prefix_is_loaded(copies: StandIn, load: Load) -> None:
    load({"data/a.json": b'{"a": 1}', "data/paths.json": b'{"jsonpaths": ["$.a"]}'})
    assert select(copies) == [(1, None), (None, None)]


def test_a_manifest_names_the_files(copies: StandIn, load: Load) -> None:
    files = {"data/a.json": b'{"a": 1}', "data/b.json": b'{"a": 2}'}
    entry = {"url": f"s3://{BUCKET}/data/b.json", "mandatory": True}
    gone = {"url": f"s3://{BUCKET}/data/gone.json", "mandatory": False}

    def manifest(*entries: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"entries": entries}).encode()
        return load(files | {"m": body}, "manifest json 'auto'", source="m")

    assert manifest(entry, gone)["Status"] == "FINISHED"
    assert select(copies) == [(2, None)]
    assert "NoSuchKey" in manifest(entry, gone | {"mandatory": True})["Error"]
    assert manifest(gone)["Status"] == "FAILED"


def test_gzip_is_unpacked_if_asked_for(copies: StandIn, load: Load) -> None:
    files = {"data/a.json.gz": gzip.compress(b'{"a": 1}')}
    load(files, "json 'auto' gzip")
    assert select(copies) == [(1, None)]
    assert load(files)["Status"] == "FAILED"
    load({"data/a.json.gz": b'{"a": 1}'}, "json 'auto' gzip")
    assert "does not exist" in load({}, source="nothing/")["Error"]


def test_unnamed_column_takes_its_default(copies: StandIn, load: Load) -> None:
    del load
    copies.buckets.put(BUCKET, "data/a.json", b'{"a": 1, "b": "x"}')
    reply = execute(
        copies,
        "drop table if exists t",
        "create table t (a int, b varchar(9) default 'none', at timestamp"
        " default '2018-11-30')",
        f"copy t (a) from 's3://{BUCKET}/data/' iam_role '{copies.role_arn}'"
        " json 'auto'",
        "select pg_last_copy_count(), pg_last_copy_id()",
    )
    assert reply["Status"] == "FINISHED"
    assert select(copies, "a, b, at::varchar from t") == [
        (1, "none", "2018-11-30 00:00:00")
    ]
    result = copies.client("redshift-data").get_statement_result(Id=reply["Id"])
    assert result["Records"] == [
        [{"longValue": 1}, {"longValue": reply["SubStatements"][2]["RedshiftQueryId"]}]
    ]


def test_load_fails_at_maxerror_and_errors_survive(copies: StandIn, load: Load) -> None:
    lines = [
        b'{"a": 1}',
        b'{"a": "x"}',
        b"{",
        b'{"a": 2, "b": "\xc3\xa9\xc3\xa9\xc3\xa9"}',
    ]
    files = {"data/a.json": b"\n".join(lines)}
    reply = load(files, "json 'auto' maxerror 3")
    assert reply["Status"] == "FAILED"
    assert "sys_load_error_detail" in reply["Error"]
    name = f"s3://{BUCKET}/data/a.json"
    invalid = "Invalid digit, Value 'x', Pos 0, Type: Integer"
    errors = [
        (name, 2, "a", "integer", "", 0, 1207, invalid),
        (name, 3, "", "", "", 0, 1216, "Invalid JSON"),
        (name, 4, "b", "varchar", "5", 5, 1204, "String length exceeds DDL length"),
    ]
    assert load_errors(copies, reply) == errors
    reply = load(files, "json 'auto' maxerror 4")
    assert reply["Status"] == "FINISHED"
    assert load_errors(copies, reply) == errors
    assert select(copies) == [(1, None)]
    assert load(files)["Status"] == "FAILED"


def test_null_in_not_null_column_is_rejected(copies: StandIn, load: Load) -> None:
    reply = load({"data/a.json": b"{}"}, columns="a int not null")
    assert load_errors(copies, reply)[0][2:] == (
        ("a", "integer", "", 0, 1213, "Missing data for not-null field")
    )


def test_decimals_are_cut_or_rounded(copies: StandIn, load: Load) -> None:
    files = {"data/a.json": b'{"a": -0.125, "b": 1} {"a": 9.99, "b": 2}'}
    columns = "a numeric(4, 2), b int"
    load(files, columns=columns)
    found = select(copies, "a from t order by b")
    assert found == [(Decimal("-0.12"),), (Decimal("9.99"),)]
    load(files, "json 'auto' roundec", columns=columns)
    assert select(copies, "a from t order by b")[0] == (Decimal("-0.13"),)
    reply = load({"data/a.json": b'{"a": 1e-5}'}, columns=columns)
    assert load_errors(copies, reply)[0][-1] == (
        "Invalid digit, Value 'e', Pos 1, Type: Decimal"
    )


TEXTS = (
    ("", b'""', ""),
    ("emptyasnull", b'""', None),
    ("", b'"  "', "  "),
    ("blanksasnull", b'"  "', None),
    ("null as 'none'", b'"none"', None),
    ("truncatecolumns", b'"\xc3\xa9\xc3\xa9\xc3\xa9"', "éé"),
    ("acceptinvchars", b'"a\xff"', "a?"),
    ("acceptinvchars as '^'", b'"a\xff"', "a^"),
    ("", b"1.50", "1.50"),
    ("compupdate off statupdate off", rb'"\u00e9\t"', "é\t"),
)


def test_copy_options_change_texts(copies: StandIn, load: Load) -> None:
    for options, value, expected in TEXTS:
        load({"data/a.json": b'{"b": ' + value + b"}"}, f"json 'auto' {options}")
        assert select(copies, "b from t") == [(expected,)], (options, value)


@pytest.mark.parametrize(
    ("record", "code"),
    [
        pytest.param(b'{"b": {"c": 1}}', 1204, id="object longer than its column"),
        pytest.param(b'{"b": "a\xff"}', 1220, id="invalid UTF-8"),
        pytest.param(b'{"a": 1, "c": "' + b"x" * 2**22 + b'"}', 1216, id="over 4 MB"),
    ],
)
def test_record_is_rejected_with_code(
    copies: StandIn, load: Load, record: bytes, code: int
) -> None:
    reply = load({"data/a.json": record})
    assert load_errors(copies, reply)[0][6] == code


def test_timestamps_may_be_milliseconds(copies: StandIn, load: Load) -> None:
    files = {"data/a.json": b'{"a": 1541121934796}'}
    load(files, "json 'auto' timeformat 'epochmillisecs'", "a timestamp")
    assert select(copies, "a::varchar from t") == [("2018-11-02 01:25:34.796",)]
    reply = load(files, columns="a timestamp")
    assert load_errors(copies, reply)[0][6] == 1206


def test_noload_succeeds_and_loads_nothing(copies: StandIn, load: Load) -> None:
    reply = load({"data/a.json": b'{"a": 1}'}, "json 'auto' noload")
    assert reply["Status"] == "FINISHED"
    assert select(copies) == []


def test_copy_fails_with_message_of_redshift(copies: StandIn) -> None:
    other, narrow = (
        f"arn:aws:iam::123456789012:role/{name}" for name in ("other", "narrow")
    )
    copies.roles[narrow] = ["s3://elsewhere/"]
    here, role = f"s3://{BUCKET}/data/", copies.role_arn
    for source, role_arn, options, message in (
        ("s3://nowhere/x", role, "", "Error NoSuchBucket"),
        (here, other, "", "to assume IAM Role arn:"),
        (here, narrow, "", "Error AccessDenied"),
        (here, role, "region 'eu-central-1'", "Error PermanentRedirect"),
        (here, role, "maxerror 100001", "MAXERROR"),
        (here, role, "ignoreheader 1", 'syntax error at or near "ignoreheader"'),
        (here, role, "timeformat 'YY'", "not imitated"),
    ):
        reply = execute(
            copies,
            "create temp table u (a int)",
            f"copy u from '{source}' iam_role '{role_arn}' json 'auto' {options}",
        )
        assert message in reply["Error"]


def test_copy_runs_over_wire_and_prepared(copies: StandIn, load: Load) -> None:
    load({"data/a.json": b'{"a": 1}'})
    with redshift_connector.connect(
        host=copies.host,
        port=copies.port,
        user=copies.user,
        password=copies.password,
        database=DATABASE,
        ssl=False,
    ) as connection:
        cursor = connection.cursor()
        source = f"'s3://{BUCKET}/data/' iam_role '{copies.role_arn}'"
        for _ in range(2):
            cursor.execute(f"copy t from {source} json 'auto'")
        cursor.execute("select count(*) from t")
        assert cursor.fetchall() == ([3],)
        connection.rollback()
    assert select(copies) == [(1, None)]
