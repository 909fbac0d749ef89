"""External tables over JSON in S3, as the stand-in for Redshift reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redshift_connector
from redshift_connector.core import Connection
from redshift_connector.error import ProgrammingError

from redshift_stand_in import StandIn

DATABASE = "external"
BUCKET = "external"
TABLE = f"""create external table lake.t (a integer, "B" varchar(9))
row format serde 'org.openx.data.jsonserde.JsonSerDe'
stored as textfile location 's3://{BUCKET}/data/'"""


@pytest.fixture(scope="module")
def lake(stand_in: StandIn) -> StandIn:
    """Return the stand-in with a database and a bucket for this file."""
    stand_in.create_database(DATABASE)
    stand_in.buckets.make(BUCKET)
    return stand_in


@pytest.fixture
def connection(lake: StandIn) -> Iterator[Connection]:
    """Connect with autocommit."""
    with redshift_connector.connect(
        host=lake.host,
        port=lake.port,
        user=lake.user,
        password=lake.password,
        database=DATABASE,
        ssl=False,
    ) as opened:
        opened.autocommit = True
        yield opened


def rows(connection: Connection, *statements: str) -> list[Any]:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    return [tuple(row) for row in cursor.fetchall()]


def test_external_table_shows_current_files(
    lake: StandIn, connection: Connection
) -> None:
    s3 = lake.s3()
    s3.put_object(Bucket=BUCKET, Key="data/1.json", Body=b'{"A": 1, "b": "x"}\n{}')
    s3.put_object(Bucket=BUCKET, Key="data/_hidden", Body=b"no JSON")
    found = rows(
        connection,
        "create external schema if not exists lake from data catalog database 'music'"
        f" iam_role '{lake.role_arn}' create external database if not exists",
        TABLE,
        'create view above as select a, b, "$path" as path from lake.t'
        " with no schema binding",
        "select * from above order by a",
    )
    path = f"s3://{BUCKET}/data/1.json"
    assert found == [(1, "x", path), (None, None, path)]
    s3.put_object(Bucket=BUCKET, Key="data/2.json", Body=b'{"a": 2}')
    assert rows(connection, "select a from above where a = 2") == [(2,)]
    s3.put_object(Bucket=BUCKET, Key="data/1.json", Body=b'{"a": 3}')
    assert rows(connection, "select sum(a), count(*) from lake.t") == [(5, 2)]
    assert rows(
        connection,
        "select columnname, external_type from svv_external_columns"
        " where schemaname = 'lake' and tablename = 't' order by columnnum",
    ) == [("a", "integer"), ("b", "character varying(9)")]
    assert rows(
        connection, "select schemaname, databasename from svv_external_schemas"
    ) == [("lake", "music")]
    s3.put_object(Bucket=BUCKET, Key="data/3.json", Body=b'{"a": "x"}')
    with pytest.raises(ProgrammingError, match="Spectrum Scan Error: Invalid digit"):
        rows(connection, "select a from lake.t")
    s3.delete_object(Bucket=BUCKET, Key="data/3.json")
    assert rows(connection, "select max(a) from lake.t") == [(3,)]
    rows(connection, "drop table lake.t", "select 1")


def test_external_table_in_transaction_is_rejected(connection: Connection) -> None:
    connection.autocommit = False
    with pytest.raises(ProgrammingError, match="inside a transaction block"):
        rows(connection, TABLE)
    connection.rollback()
