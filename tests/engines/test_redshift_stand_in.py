"""Behaviour of the stand-in for Redshift, tested through unmodified clients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
import redshift_connector
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from redshift_connector.core import Connection
from redshift_connector.error import InterfaceError, ProgrammingError

from redshift_stand_in import StandIn
from warehouses import make_warehouse

DATABASE = "claims"


@pytest.fixture(scope="module")
def claims(stand_in: StandIn) -> StandIn:
    """Return the stand-in with a database for this file."""
    stand_in.create_database(DATABASE)
    return stand_in


@pytest.fixture
def connection(claims: StandIn) -> Iterator[Connection]:
    """Connect by redshift_connector; roll the transaction back at the end."""
    with redshift_connector.connect(
        host=claims.host,
        port=claims.port,
        user=claims.user,
        password=claims.password,
        database=DATABASE,
        ssl=False,
    ) as opened:
        yield opened
        opened.rollback()


def rows(connection: Connection, *statements: str) -> list[Any]:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    return [tuple(row) for row in cursor.fetchall()]


# --- Connections and SQL ---


def test_wrong_password_is_rejected(claims: StandIn) -> None:
    with pytest.raises(InterfaceError, match="password auth"):
        redshift_connector.connect(
            host=claims.host,
            port=claims.port,
            user=claims.user,
            password="wrong",  # noqa: S106 -- not a secret
            database=DATABASE,
            ssl=False,
        )


def test_dbt_connects_by_iam_over_tls(stand_in: StandIn, tmp_path: Path) -> None:
    made = make_warehouse(tmp_path / "warehouse", "redshift", stand_in=stand_in)
    profile = made.folder / "profiles.yml"
    text = profile.read_text(encoding="utf-8")
    with_password = (
        f"method: database, sslmode: disable, password: '{stand_in.password}'"
    )
    assert with_password in text
    profile.write_text(text.replace(with_password, "method: iam"), encoding="utf-8")
    done = made.dbt("debug", "--connection")
    assert done.returncode == 0, done.stdout


def test_backslash_escapes_in_a_literal(connection: Connection) -> None:
    assert rows(connection, r"select 'a\\b', 'it\'s', 'it''s'") == [
        ("a\\b", "it's", "it's")
    ]


def test_quoted_names_are_in_lower_case(connection: Connection) -> None:
    found = rows(
        connection,
        'create temp table "Folded" ("sessionId" int)',
        'select "SESSIONID" from folded',
    )
    assert found == []


@pytest.mark.parametrize(
    "sql", ["select distinct on (n) n from t", "select string_agg(n, ',') from t"]
)
def test_unsupported_sql_is_rejected(connection: Connection, sql: str) -> None:
    with pytest.raises(ProgrammingError, match="Redshift refuses"):
        rows(connection, "create temp table t (n varchar(9))", sql)


# --- Tables and functions ---


def test_svv_table_info_has_the_declared_design(connection: Connection) -> None:
    found = rows(
        connection,
        "create table designed (a int encode az64, b varchar(max)) backup no"
        " diststyle key distkey (a) compound sortkey (b, a)",
        "create table everywhere diststyle all sortkey (c) as (select 1 as c)",
        "create table empty (a int)",
        "insert into designed values (1, 'x')",
        'select "table", diststyle, sortkey1, sortkey_num, tbl_rows, max_varchar'
        " from svv_table_info order by 1",
    )
    assert found == [
        ("designed", "KEY(a)", "b", 2, Decimal(1), 65535),
        ("everywhere", "ALL", "c", 1, Decimal(1), 0),
    ]


def test_table_statistics_change_by_maintenance_statements(
    claims: StandIn, connection: Connection
) -> None:
    connection.autocommit = True
    rows(connection, "create table worn diststyle even as select 1 as a", "select 1")
    claims.set_health(DATABASE, "worn", unsorted=30, stats_off=20, skew_rows=4.5)
    health = (
        "select diststyle, sortkey1, unsorted, stats_off, skew_rows from svv_table_info"
        " where \"table\" = 'worn'"
    )
    worn = ("EVEN", "AUTO(SORTKEY)", Decimal(30), Decimal(20), Decimal("4.5"))
    assert rows(connection, health) == [worn]
    maintenance = (
        "vacuum sort only worn to 99 percent",
        "analyze worn",
        "alter table worn alter distkey a",
        "alter table worn alter compound sortkey (a)",
    )
    assert rows(connection, *maintenance, health) == [
        ("KEY(a)", "a", Decimal(0), Decimal(0), Decimal("4.5"))
    ]
    connection.autocommit = False
    with pytest.raises(ProgrammingError, match="inside a transaction block"):
        rows(connection, "vacuum worn")
    connection.rollback()
    rows(connection, "drop table worn", "commit", "select 1")


def test_types_have_default_sizes_of_redshift(connection: Connection) -> None:
    with pytest.raises(ProgrammingError, match="too long"):
        rows(
            connection,
            "create temp table widths (a varchar, b numeric)",
            "insert into widths values (repeat('x', 257), 1)",
        )
    connection.rollback()
    assert rows(connection, "select cast(1.25 as decimal), 2.25::numeric") == [(1, 2)]


def test_late_binding_view_outlives_its_table(connection: Connection) -> None:
    found = rows(
        connection,
        "create table below (a varchar(3), b numeric(9, 2))",
        "create view above as (select a, b from below) with no schema binding",
        "drop table below cascade",
        "create table below (a varchar(3), b numeric(9, 2))",
        "insert into below values ('x', 1.5)",
        "select * from above",
    )
    assert found == [("x", Decimal("1.50"))]
    columns = rows(
        connection,
        "select col_name, col_type from pg_get_late_binding_view_cols() cols("
        "view_schema name, view_name name, col_name name, col_type varchar,"
        " ordinal_position int) where view_name = 'above'",
    )
    assert columns == [("a", "character varying(3)"), ("b", "numeric(9,2)")]


def test_functions_return_values_of_redshift(connection: Connection) -> None:
    found = rows(
        connection,
        "create temp table numbers (n int, t varchar(9))",
        "insert into numbers values (1, 'a'), (2, 'b')",
        "select avg(n), listagg(t, '-') within group (order by t desc),"
        " approximate count(distinct n), nvl(null, max(n)) from numbers",
    )
    assert found == [(1, "b-a", 2, 2)]
    found = rows(
        connection,
        "select regexp_replace('aXbX', '(X)', '<$1>'), datediff(day, '2018-11-30',"
        " '2018-12-02'), dateadd(month, 1, '2018-01-31'::timestamp)::varchar,"
        " from_varbyte(to_varbyte('é', 'utf8'), 'hex'), strtol('ff', 16), len('é')",
    )
    assert found == [("a<X>b<X>", 2, "2018-02-28 00:00:00", "c3a9", 255, 1)]


# --- The Data API ---


def execute(stand_in: StandIn, *sqls: str, **more: Any) -> dict[str, Any]:
    """Submit statements, wait until they end, and return the description."""
    submitted = submit(stand_in, *sqls, **{"WaitTimeSeconds": 20} | more)
    client = stand_in.client("redshift-data")
    described: dict[str, Any] = client.describe_statement(Id=submitted["Id"])
    return described


def submit(stand_in: StandIn, *sqls: str, **more: Any) -> dict[str, Any]:
    """Submit a statement or a batch, and return without waiting."""
    client = stand_in.client("redshift-data")
    cluster = {"ClusterIdentifier": stand_in.cluster, "DbUser": stand_in.user}
    request = cluster | {"Database": DATABASE} | more
    submitted: dict[str, Any]
    if len(sqls) == 1:
        submitted = client.execute_statement(Sql=sqls[0], **request)
    else:
        submitted = client.batch_execute_statement(Sqls=list(sqls), **request)
    return submitted


def test_a_batch_is_one_transaction(claims: StandIn) -> None:
    reply = execute(claims, "create table half (a int)", "insert into nowhere select 1")
    assert reply["Status"] == "FAILED"
    assert reply["Error"].startswith("Query #2 failed with ERROR: relation")
    assert [part["Status"] for part in reply["SubStatements"]] == ["FINISHED", "FAILED"]
    assert "does not exist" in execute(claims, "select * from half")["Error"]


def test_values_are_bound_and_results_have_pages(claims: StandIn) -> None:
    claims.data_api.page_rows = 2
    reply = execute(
        claims,
        "select :text::varchar union all select 'b' union all select null",
        Parameters=[{"name": "text", "value": "it's 100%"}],
    )
    client = claims.client("redshift-data")
    pages = client.get_paginator("get_statement_result").paginate(Id=reply["Id"])
    records = [page["Records"] for page in pages]
    assert records == [
        [[{"stringValue": "it's 100%"}], [{"stringValue": "b"}]],
        [[{"isNull": True}]],
    ]


def describe(stand_in: StandIn, statement: dict[str, Any]) -> dict[str, Any]:
    """Wait until a statement ends, and return its description."""
    reply: dict[str, Any] = stand_in.client("redshift-data").describe_statement(
        Id=statement["Id"], WaitTimeSeconds=30
    )
    return reply


def test_a_client_token_submits_once(claims: StandIn) -> None:
    execute(claims, "create table if not exists once (a int)")
    first, second = (
        submit(claims, "insert into once values (1)", ClientToken="the-same")
        for _ in range(2)
    )
    assert first["Id"] == second["Id"]
    assert describe(claims, first)["Status"] == "FINISHED"
    assert claims.query(DATABASE, "select count(*) from once") == [(1,)]


def test_a_long_poll_ends_with_the_statement(claims: StandIn) -> None:
    begun = time.monotonic()
    statement = submit(claims, "select pg_sleep(1)", WaitTimeSeconds=30)
    assert statement["Status"] == "FINISHED"
    assert 1 <= time.monotonic() - begun < 20
    assert (
        submit(claims, "select pg_sleep(3)", WaitTimeSeconds=1)["Status"] == "STARTED"
    )


def test_a_statement_is_cancelled(claims: StandIn) -> None:
    statement = submit(claims, "select pg_sleep(60)", WaitTimeSeconds=1)
    client = claims.client("redshift-data")
    assert client.cancel_statement(Id=statement["Id"])["Status"]
    assert describe(claims, statement)["Status"] == "ABORTED"
    with pytest.raises(ClientError, match="Could not cancel"):
        client.cancel_statement(Id=statement["Id"])


def test_statements_are_listed_by_name(claims: StandIn) -> None:
    for name in ("load one", "load two", "other"):
        describe(claims, submit(claims, "select 1", StatementName=name))
    client = claims.client("redshift-data")
    listed = client.list_statements(StatementName="load", Status="FINISHED")
    names = [each["StatementName"] for each in listed["Statements"]]
    assert names == ["load two", "load one"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"ClusterIdentifier": "other"}, "endpoint doesn't exist"),
        ({"WorkgroupName": "sparkify-workgroup"}, "exclude each other"),
        ({"Sql": "select 1 -- " + "x" * 100_000}, "too long"),
        ({"Sql": "select 1; select 2"}, "Multiple SQL statements"),
        ({"Parameters": [{"name": "a", "value": "b"}]}, "not used"),
    ],
)
def test_invalid_request_is_rejected(
    claims: StandIn, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message) as rejection:
        submit(claims, more.pop("Sql", "select 1"), **more)
    assert rejection.value.response["Error"]["Code"] == "ValidationException"


def test_workgroup_rejects_user_and_accepts_secret(claims: StandIn) -> None:
    client = claims.client("redshift-data")
    request = {"WorkgroupName": claims.workgroup, "Database": DATABASE}
    request["Sql"] = "select current_user"
    with pytest.raises(ClientError, match="DbUser is not valid"):
        client.execute_statement(**request, DbUser=claims.user)

    def current_user(**more: str) -> str:
        done = client.execute_statement(**request, **more, WaitTimeSeconds=30)
        records = client.get_statement_result(Id=done["Id"])["Records"]
        return str(records[0][0]["stringValue"])

    assert current_user() == "IAM:tester"
    made = client.execute_statement(
        **request | {"Sql": "create schema forbidden"}, WaitTimeSeconds=30
    )
    reason = client.describe_statement(Id=made["Id"])["Error"]
    assert "permission denied for database" in reason
    assert current_user(SecretArn=claims.secret_arn) == claims.user
    with pytest.raises(ClientError, match="can't find the specified secret"):
        current_user(SecretArn=claims.secret_arn[:-1])


def test_more_than_forty_statements_are_rejected(claims: StandIn) -> None:
    with pytest.raises(ClientError, match="40"):
        execute(claims, *["select 1"] * 41)


def test_too_many_active_statements_are_rejected(
    claims: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims.data_api, "max_active", 0)
    with pytest.raises(ClientError, match="ActiveStatementsExceeded"):
        submit(claims, "select 1")


def test_paused_cluster_is_unreachable(claims: StandIn) -> None:
    claims.pause()
    try:
        with pytest.raises(ClientError, match="paused"):
            submit(claims, "select 1")
        with pytest.raises(InterfaceError):
            claims.query(DATABASE, "select 1")
    finally:
        claims.resume()
    assert describe(claims, submit(claims, "select 1"))["Status"] == "FINISHED"


# --- Faults ---


def client_without_retries(stand_in: StandIn, service: str) -> Any:
    """Return a client that does not retry and waits at most 4 seconds."""
    retries: Any = {"total_max_attempts": 1}
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=stand_in.endpoint_url,
        region_name=stand_in.region,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 -- not a secret
        config=Config(retries=retries, read_timeout=4),
    )


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("throttle", "ThrottlingException"),
        ("500", "InternalServerException"),
        ("expired", "ExpiredTokenException"),
        ("denied", "AccessDeniedException"),
    ],
)
def test_data_api_fails_as_requested(claims: StandIn, how: str, error: str) -> None:
    claims.fail_next("ListStatements", how)
    client = client_without_retries(claims, "redshift-data")
    with pytest.raises(ClientError, match=error):
        client.list_statements()
    client.list_statements()


@pytest.mark.parametrize("how", ["reset", "timeout", "lost answer"])
def test_statement_runs_if_only_response_is_lost(claims: StandIn, how: str) -> None:
    execute(claims, "drop table if exists done", "create table done (a int)")
    claims.fail_next("ExecuteStatement", how)
    with pytest.raises((ConnectionClosedError, ReadTimeoutError)):
        client_without_retries(claims, "redshift-data").execute_statement(
            Sql="insert into done values (1)",
            ClusterIdentifier=claims.cluster,
            DbUser=claims.user,
            Database=DATABASE,
        )
    time.sleep(0.5)
    expected = int(how == "lost answer")
    assert claims.query(DATABASE, "select count(*) from done") == [(expected,)]


def test_s3_fails_as_requested(claims: StandIn) -> None:
    region = {"LocationConstraint": claims.region}
    claims.s3().create_bucket(Bucket="faulty", CreateBucketConfiguration=region)
    s3 = client_without_retries(claims, "s3")
    claims.fail_next("PutObject", "throttle")
    with pytest.raises(ClientError, match="SlowDown"):
        s3.put_object(Bucket="faulty", Key="a", Body=b"x")
    claims.fail_next("ListObjectsV2", "denied")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket="faulty")
    claims.fail_next("PutObject", "lost answer")
    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket="faulty", Key="a", Body=b"x")
    claims.fail_next("GetObject", "reset")
    claims.s3().get_object(Bucket="faulty", Key="a")  # boto3 retries by itself
