"""The Redshift Data API. Statements run in background threads, through the proxy."""

from __future__ import annotations

import base64
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import psycopg

from redshift_stand_in.errors import AwsError, invalid
from redshift_stand_in.rewrite import cut
from sparkify.redshift_lint.tokens import statements_of

MAX_STATEMENTS: Final = 40
MAX_BYTES: Final = 100_000
MAX_REQUEST_BYTES: Final = 1_000_000
"""Limit of a batch. The documentation states none."""

DAY: Final = 24 * 3600
TOKEN_LIFE: Final = 8 * 3600
PAGE_ROWS: Final = 1000
ENDED: Final = ("FINISHED", "FAILED", "ABORTED")

OID_BOOL: Final = 16
OID_BYTES: Final = 17
OIDS_WHOLE: Final = (20, 21, 23)
OIDS_FLOAT: Final = (700, 701)
TYPE_NAMES: Final = {
    16: "bool",
    17: "varbyte",
    18: "char",
    19: "name",
    20: "int8",
    21: "int2",
    23: "int4",
    25: "text",
    26: "oid",
    700: "float4",
    701: "float8",
    1042: "bpchar",
    1043: "varchar",
    1082: "date",
    1114: "timestamp",
    1184: "timestamptz",
    1700: "numeric",
}

PARAMETER: Final = re.compile(r"(?<!:):(\w+)")

Request = dict[str, Any]
Connect = Callable[[str, str], psycopg.Connection]
"""Connects a user (first argument) to a database (second argument)."""

_query_ids = count(1000)


@dataclass
class Part:
    """One SQL text of a statement."""

    sql: str
    status: str = "SUBMITTED"
    error: str = ""
    rows: list[list[dict[str, Any]]] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)
    row_count: int = -1
    has_result: bool = False
    query_id: int = 0
    started: float = 0.0
    ended: float = 0.0

    def describe(self) -> dict[str, Any]:
        reply: dict[str, Any] = {
            "Status": self.status,
            "QueryString": self.sql,
            "HasResultSet": self.has_result,
            "ResultRows": self.row_count,
            "ResultSize": sum(len(str(row)) for row in self.rows),
            "Duration": int((self.ended - self.started) * 1e9),
        }
        if self.query_id:
            reply["RedshiftQueryId"] = self.query_id
        if self.error:
            reply["Error"] = self.error
        return reply


@dataclass
class Statement:
    """A submission of ExecuteStatement or BatchExecuteStatement."""

    request: Request
    user: str
    parts: list[Part]
    is_batch: bool
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "SUBMITTED"
    error: str = ""
    pid: int = 0
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    ended: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False
    connection: psycopg.Connection | None = None

    def target(self) -> dict[str, Any]:
        """Return cluster or workgroup, database, and secret or user."""
        names = ("ClusterIdentifier", "WorkgroupName", "Database", "SecretArn")
        reply = {name: self.request[name] for name in names if name in self.request}
        if "WorkgroupName" not in reply:
            reply["DbUser"] = self.user
        return reply


class DataApi:
    """The operations of the Data API."""

    def __init__(
        self,
        connect: Connect,
        user_of: Callable[[Request], str],
        copy_ids: dict[int, int],
    ) -> None:
        self.connect = connect
        self.user_of = user_of
        self.copy_ids = copy_ids
        self.statements: dict[str, Statement] = {}
        self.tokens: dict[str, Statement] = {}
        self.lock = threading.Lock()
        self.max_active = 500
        self.page_rows = PAGE_ROWS
        self.seconds_later = 0.0
        """Seconds by which this clock is ahead of the machine's clock."""

        self.tells_failed_queries = True
        """Whether a failed statement has a query id. The API does not promise one."""

    def answer(self, operation: str, request: Request) -> Request:
        """Run an operation. Raises AwsError."""
        known: dict[str, Callable[[Request], Request]] = {
            "ExecuteStatement": self._execute,
            "BatchExecuteStatement": self._batch,
            "DescribeStatement": self._describe,
            "GetStatementResult": self._result,
            "CancelStatement": self._cancel,
            "ListStatements": self._list,
        }
        if operation not in known:
            raise AwsError("UnknownOperationException", f"{operation} is not imitated")
        return known[operation](request)

    def _execute(self, request: Request) -> Request:
        return self._submit(request, [request["Sql"]], is_batch=False)

    def _batch(self, request: Request) -> Request:
        sqls = request["Sqls"]
        if not 1 <= len(sqls) <= MAX_STATEMENTS:
            raise invalid(
                f"Number of statements in a batch must be from 1 to {MAX_STATEMENTS}"
            )
        if sum(len(sql.encode()) for sql in sqls) > MAX_REQUEST_BYTES:
            raise invalid("The request is too long")
        return self._submit(request, sqls, is_batch=True)

    def _submit(self, request: Request, sqls: list[str], *, is_batch: bool) -> Request:
        for sql in sqls:
            if not sql.strip():
                raise invalid("SQL statement must not be empty")
            if len(list(statements_of(cut(sql)))) > 1:
                raise invalid("Multiple SQL statements in one text are not allowed")
            if len(sql.encode()) > MAX_BYTES:
                raise invalid("Query string is too long: more than 100 KB")
        if request.get("SessionId") or request.get("SessionKeepAliveSeconds"):
            raise AwsError("UnknownOperationException", "sessions are not imitated")
        _check_parameters(request.get("Parameters"), sqls)
        user = self.user_of(request)
        token = request.get("ClientToken")
        with self.lock:
            earlier = self.tokens.get(token or "")
            if earlier and self._age(earlier) < TOKEN_LIFE:
                return self._submitted(earlier, request)
            active = [s for s in self.statements.values() if not s.ended.is_set()]
            if len(active) >= self.max_active:
                raise AwsError(
                    "ActiveStatementsExceededException",
                    "The number of active statements exceeds the limit.",
                )
            statement = Statement(
                request, user, [Part(sql) for sql in sqls], is_batch=is_batch
            )
            statement.created += self.seconds_later
            self.statements[statement.id] = statement
            if token:
                self.tokens[token] = statement
        threading.Thread(target=self._run, args=[statement], daemon=True).start()
        return self._submitted(statement, request)

    def _age(self, statement: Statement) -> float:
        return time.time() + self.seconds_later - statement.created

    def _submitted(self, statement: Statement, request: Request) -> Request:
        reply = {"Id": statement.id, "CreatedAt": statement.created}
        reply |= statement.target()
        if "WaitTimeSeconds" in request:
            _wait(statement, request)
            reply["Status"] = statement.status
            reply["HasResultSet"] = any(part.has_result for part in statement.parts)
            reply["RedshiftPid"] = statement.pid
        return reply

    def _run(self, statement: Statement) -> None:
        try:
            database = statement.request.get("Database", "dev")
            statement.connection = self.connect(statement.user, database)
            with statement.connection as connection:
                self._run_parts(statement, connection)
        except psycopg.Error as error:
            statement.status = "FAILED"
            statement.error = _reason(error)
        finally:
            if statement.cancelled and statement.status != "FINISHED":
                statement.status = "ABORTED"
            for part in statement.parts:
                if part.status not in ENDED:
                    part.status = "ABORTED"
            statement.updated = time.time()
            statement.ended.set()

    def _run_parts(self, statement: Statement, connection: psycopg.Connection) -> None:
        statement.status = "STARTED"
        statement.pid = connection.info.backend_pid
        mode = statement.request.get("ExecutionMode", "TRANSACTION")
        in_transaction = statement.is_batch and mode == "TRANSACTION"
        if in_transaction:
            connection.execute("begin")
        for number, part in enumerate(statement.parts, 1):
            if statement.cancelled:
                break
            try:
                try:
                    _run_part(part, connection, statement.request.get("Parameters"))
                finally:
                    part.query_id = self.copy_ids.pop(statement.pid, part.query_id)
            except psycopg.Error as error:
                part.status = "FAILED"
                part.error = _reason(error)
                part.query_id *= self.tells_failed_queries
                statement.error = (
                    f"Query #{number} failed with {part.error}"
                    if statement.is_batch
                    else part.error
                )
                statement.status = "FAILED"
                if in_transaction or not statement.is_batch:
                    break
        done = statement.status != "FAILED" and not statement.cancelled
        if in_transaction and not connection.closed:
            try:
                connection.execute("commit" if done else "rollback")
            except psycopg.Error as error:
                statement.status = "FAILED"
                statement.error = _reason(error)
                return
        if done:
            statement.status = "FINISHED"

    def _find(self, request: Request) -> tuple[Statement, Part]:
        statement_id, _, number = request["Id"].partition(":")
        statement = self.statements.get(statement_id)
        if statement is None or (number and int(number) > len(statement.parts)):
            raise AwsError(
                "ResourceNotFoundException",
                "Query does not exist.",
                ResourceId=request["Id"],
            )
        return statement, statement.parts[int(number) - 1 if number else -1]

    def _describe(self, request: Request) -> Request:
        statement, part = self._find(request)
        _wait(statement, request)
        reply = {
            **part.describe(),
            **statement.target(),
            "Id": statement.id,
            "Status": statement.status,
            "CreatedAt": statement.created,
            "UpdatedAt": statement.updated,
            "RedshiftPid": statement.pid,
            "HasResultSet": any(each.has_result for each in statement.parts),
        }
        reply.pop("Error", None)
        if statement.error:
            reply["Error"] = statement.error
        if "Parameters" in statement.request:
            reply["QueryParameters"] = statement.request["Parameters"]
        if statement.is_batch:
            del reply["QueryString"]
            reply["SubStatements"] = [
                {
                    **each.describe(),
                    "Id": f"{statement.id}:{number}",
                    "CreatedAt": statement.created,
                    "UpdatedAt": each.ended or statement.updated,
                }
                for number, each in enumerate(statement.parts, 1)
            ]
        return reply

    def _result(self, request: Request) -> Request:
        statement, part = self._find(request)
        _wait(statement, request)
        if statement.status != "FINISHED" or not part.has_result:
            raise AwsError(
                "ResourceNotFoundException",
                "Query does not have result. Please check query status with"
                " DescribeStatement.",
                ResourceId=request["Id"],
            )
        start = int(base64.b64decode(request.get("NextToken", "MA==")))
        page = part.rows[start : start + self.page_rows]
        reply = {
            "Records": page,
            "ColumnMetadata": part.columns,
            "TotalNumRows": len(part.rows),
        }
        if start + len(page) < len(part.rows):
            next_row = str(start + len(page)).encode()
            reply["NextToken"] = base64.b64encode(next_row).decode()
        return reply

    def _cancel(self, request: Request) -> Request:
        statement, _ = self._find(request)
        if statement.ended.is_set():
            raise invalid(f"Could not cancel a query that is in {statement.status}")
        statement.cancelled = True
        if statement.connection is not None:
            statement.connection.cancel_safe()
        return {"Status": True}

    def _list(self, request: Request) -> Request:
        wanted = request.get("Status", "FINISHED")
        name = request.get("StatementName", "")
        found = [
            {
                "Id": statement.id,
                "Status": statement.status,
                "CreatedAt": statement.created,
                "UpdatedAt": statement.updated,
                "IsBatchStatement": statement.is_batch,
                "QueryStrings": [part.sql for part in statement.parts],
                "StatementName": statement.request.get("StatementName", ""),
            }
            for statement in reversed(self.statements.values())
            if wanted in ("ALL", statement.status)
            and self._age(statement) < DAY
            and statement.request.get("StatementName", "").startswith(name)
        ]
        start = int(request.get("NextToken", 0))
        size = request.get("MaxResults") or 100
        reply: Request = {"Statements": found[start : start + size]}
        if start + size < len(found):
            reply["NextToken"] = str(start + size)
        return reply


def _wait(statement: Statement, request: Request) -> None:
    seconds = request.get("WaitTimeSeconds")
    if seconds is None:
        return
    if not 1 <= seconds <= 30:
        raise invalid("WaitTimeSeconds must be from 1 to 30")
    statement.ended.wait(seconds)


def _check_parameters(parameters: list[dict[str, str]] | None, sqls: list[str]) -> None:
    used = {name for sql in sqls for name in PARAMETER.findall(sql)}
    for parameter in parameters or []:
        if not re.fullmatch("[0-9a-zA-Z_]+", parameter["name"]):
            raise invalid(
                "Parameter names contain only letters, digits and underscores"
            )
        if not parameter["value"]:
            raise invalid("Parameter value must have length greater than or equal to 1")
        if parameter["name"] not in used:
            raise invalid(f"Parameter {parameter['name']} is not used in the statement")


def _run_part(
    part: Part, connection: psycopg.Connection, parameters: list[dict[str, str]] | None
) -> None:
    part.status = "STARTED"
    part.started = time.time()
    part.query_id = next(_query_ids)
    try:
        values = {p["name"]: p["value"] for p in parameters or []}
        if values.keys() & PARAMETER.findall(part.sql):
            text = PARAMETER.sub(
                lambda found: f"%({found[1]})s" if found[1] in values else found[0],
                part.sql.replace("%", "%%"),
            )
            cursor = connection.execute(text.encode(), values)
        else:
            cursor = connection.execute(part.sql.encode())
        if cursor.description is not None:
            part.has_result = True
            part.columns = [_column(column) for column in cursor.description]
            part.rows = _rows(cursor)
            part.row_count = len(part.rows)
        else:
            part.row_count = cursor.rowcount
        part.status = "FINISHED"
    finally:
        part.ended = time.time()


def _column(column: psycopg.Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "label": column.name,
        "typeName": TYPE_NAMES.get(column.type_code, "unknown"),
        "nullable": 1,
        "length": column.display_size or 0,
        "precision": column.precision or 0,
        "scale": column.scale or 0,
        "isCaseSensitive": column.type_code in (25, 1042, 1043),
        "isSigned": column.type_code in (*OIDS_WHOLE, *OIDS_FLOAT, 1700),
        "isCurrency": False,
        "schemaName": "",
        "tableName": "",
    }


def _rows(cursor: psycopg.Cursor) -> list[list[dict[str, Any]]]:
    result = cursor.pgresult
    assert result is not None
    return [
        [
            _field(result.get_value(row, column), result.ftype(column))
            for column in range(result.nfields)
        ]
        for row in range(result.ntuples)
    ]


def _field(value: bytes | None, oid: int) -> dict[str, Any]:
    """Return the API's field for a value in PostgreSQL's text format."""
    if value is None:
        return {"isNull": True}
    text = value.decode()
    if oid == OID_BOOL:
        return {"booleanValue": text == "t"}
    if oid in OIDS_WHOLE:
        return {"longValue": int(text)}
    if oid in OIDS_FLOAT:
        return {"doubleValue": float(text)}
    if oid == OID_BYTES:
        return {"blobValue": base64.b64encode(bytes.fromhex(text[2:])).decode()}
    return {"stringValue": text}


def _reason(error: psycopg.Error) -> str:
    if error.diag.message_primary is None:
        return str(error).strip()
    message, detail = error.diag.message_primary, error.diag.message_detail
    return f"ERROR: {message}" + (f"\n  Detail: {detail}" if detail else "")
