"""A TCP proxy between clients of Redshift and PostgreSQL.

Follows PostgreSQL's frontend/backend protocol, version 3. A message is one byte for its
kind, four bytes for its length, and its body.
"""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import ClassVar

from redshift_stand_in.errors import RefusedStatementError
from redshift_stand_in.rewrite import (
    dropped_with_cascade,
    ends_or_begins,
    own_kind,
    rewrite,
    schema_of_dropped,
    sets_case,
)
from sparkify.shared.quoting import quote_redshift_literal

PROTOCOL = 196608
CANCEL, SSL, GSS = 80877102, 80877103, 80877104
PASSED_ON = ("user", "database", "application_name", "client_encoding")
"""Start-up parameters that PostgreSQL accepts."""

INVALID_PASSWORD = "28000"  # noqa: S105 -- an error's code
CHUNK = 65536
CONFLICT = (
    "Serializable isolation violation on table - 100167, transactions forming the cycle"
    " are: 55705701, 55705754 (pid:16606)"
)
CONCURRENT = "could not complete because of conflict with concurrent transaction"
"""Error of a statement that changes a table of another transaction."""


@dataclass(frozen=True)
class Answer:
    """PostgreSQL's reply to a query of the proxy."""

    rows: list[list[str | None]] = field(default_factory=list)
    error: str = ""


Run = Callable[["Session", str], None]
"""Runs a statement in a session. Raises RefusedStatementError."""


@dataclass
class Wire:
    """Settings and state that all sessions share."""

    socket_folder: str
    user_of: Callable[[str, str], str | None]
    context: ssl.SSLContext
    own: dict[str, Run]
    """Functions for statements that PostgreSQL lacks, by kind of statement."""

    refresh: Callable[[Session], None]
    """Loads changed files into external tables. Runs before each query."""

    statements: list[str]
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    """Statements that fail once: text that each contains, and its error message."""

    copy_ids: dict[int, int] = field(default_factory=dict)
    """Query id of the last COPY of each session, by process id."""


def message(kind: bytes, body: bytes) -> bytes:
    """Return a message with its kind and length."""
    return kind + struct.pack("!i", len(body) + 4) + body


class Session(socketserver.BaseRequestHandler):
    """The connections to one client and to PostgreSQL."""

    wire: ClassVar[Wire]

    def setup(self) -> None:
        self.backend = socket.socket(socket.AF_UNIX)
        self.own: SimpleQueue[tuple[bytes, bytes]] | None = None
        self.own_statements: dict[bytes, str] = {}
        self.parameters: dict[str, str] = {}
        self.client_lock = threading.Lock()
        self.transaction = b"I"
        self.keeps_case = False
        self.pid = 0
        self.copy_id = 0

    def handle(self) -> None:
        try:
            if self._start():
                pump = threading.Thread(target=self._pump, daemon=True)
                pump.start()
                self._listen()
        except (EOFError, OSError):
            pass  # a client may disconnect
        finally:
            self.backend.close()

    # --- Start-up: TLS and password ---

    def _start(self) -> bool:
        while True:
            (size,) = struct.unpack("!i", self._read(4))
            body = self._read(size - 4)
            (code,) = struct.unpack("!i", body[:4])
            if code == SSL:
                self.request.sendall(b"S")
                self.request = self.wire.context.wrap_socket(
                    self.request, server_side=True
                )
                continue
            if code == GSS:
                self.request.sendall(b"N")
                continue
            folder = Path(self.wire.socket_folder)
            self.backend.connect(str(next(folder.glob(".s.PGSQL.*[0-9]"))))
            if code == CANCEL:
                self.backend.sendall(struct.pack("!i", size) + body)
                return False
            break
        texts = [part.decode() for part in body[4:].split(b"\0")]
        self.parameters = dict(zip(texts[::2], texts[1::2], strict=False))
        name = self.parameters["user"]
        self.request.sendall(message(b"R", struct.pack("!i", 3)))
        _, password = self._message()
        user = self.wire.user_of(name, password.rstrip(b"\0").decode())
        if user is None:
            reason = f'password authentication failed for user "{name}"'
            self.request.sendall(_error(INVALID_PASSWORD, reason, severity="FATAL"))
            return False
        self.parameters["user"] = user
        kept = "".join(
            f"{key}\0{self.parameters[key]}\0"
            for key in PASSED_ON
            if key in self.parameters
        )
        start = struct.pack("!i", PROTOCOL) + kept.encode() + b"\0"
        self.backend.sendall(struct.pack("!i", len(start) + 4) + start)
        return True

    # --- Messages of the client: queries are rewritten ---

    def _listen(self) -> None:
        while True:
            kind, body = self._message()
            if kind == b"Q":
                sql = self._translate(body[:-1].decode(), b"")
                self._run_own(b"")
                body = sql.encode() + b"\0"
            elif kind == b"P":
                name, sql_bytes, types = body.split(b"\0", 2)
                sql = self._translate(sql_bytes.decode(), name)
                body = name + b"\0" + sql.encode() + b"\0" + types
            elif kind == b"B":
                self._run_own(body.split(b"\0", 2)[1])
            self.backend.sendall(message(kind, body))

    def _translate(self, sql: str, name: bytes) -> str:
        """Return the SQL for PostgreSQL."""
        if sql.strip():
            self.wire.statements.append(sql)
        self.own_statements.pop(name, None)
        try:
            self._check_conflict(sql)
            self._check_schema(sql)
            if own_kind(sql):
                self.own_statements[name] = sql
                return "call redshift.end_of_own_statement()"
            if self.transaction != b"E" and not ends_or_begins(sql):
                self.wire.refresh(self)
            self.keeps_case |= sets_case(sql)
            return rewrite(sql, keeps_case=self.keeps_case)
        except RefusedStatementError as refused:
            quoted = ", ".join(map(quote_redshift_literal, refused.args))
            return f"select redshift.refuse({quoted})"

    def _check_conflict(self, sql: str) -> None:
        """Refuse statements in ``conflicts``, and DROP CASCADE of a referenced table.

        Redshift refuses such a DROP only while another transaction uses a table.
        """
        for part, reason in self.wire.conflicts:
            if part in sql:
                self.wire.conflicts.remove((part, reason))
                reply = ("1023", CONFLICT) if reason == CONFLICT else (reason, "")
                raise RefusedStatementError("XX000", *reply)
        if table := dropped_with_cascade(sql):
            name = quote_redshift_literal(table)
            foreign_keys = self.ask(
                "select from pg_constraint where contype = 'f'"
                f" and conrelid <> confrelid and confrelid = to_regclass({name})"
            )
            if foreign_keys.rows:
                raise RefusedStatementError("XX000", CONCURRENT)

    def _check_schema(self, sql: str) -> None:
        """Refuse DROP TABLE IF EXISTS in a schema that does not exist."""
        if schema := schema_of_dropped(sql):
            name = quote_redshift_literal(schema)
            found = self.ask(f"select from pg_namespace where nspname = {name}")
            if not found.rows and not found.error:
                raise RefusedStatementError(
                    "3F000", f'schema "{schema}" does not exist'
                )

    def _run_own(self, name: bytes) -> None:
        """Run a statement that PostgreSQL lacks, and set its error for the client."""
        if name not in self.own_statements or self.transaction == b"E":
            return  # in a failed transaction PostgreSQL refuses the next statement
        own = self.own_statements[name]
        code = reason = detail = ""
        try:
            self.wire.own[own_kind(own)](self, own)
        except RefusedStatementError as refused:
            code, reason, detail = refused.args
        except Exception as error:  # noqa: BLE001 -- the client waits for an answer
            code, reason = "XX000", f"the stand-in failed: {error!r}"
        self.wire.copy_ids[self.pid] = self.copy_id
        reply = {"error_code": code, "error": reason, "detail": detail}
        settings = ", ".join(
            f"set_config('redshift.{name}', {quote_redshift_literal(text)}, false)"
            for name, text in reply.items()
        )
        self.ask(f"select {settings}")

    @property
    def is_in_transaction(self) -> bool:
        return self.transaction == b"T"

    @property
    def database(self) -> str:
        return self.parameters.get("database", self.parameters["user"])

    # --- Queries of the proxy, in the client's session and transaction ---

    def ask(self, sql: str, data: bytes | None = None) -> Answer:
        """Run a query, or COPY FROM STDIN with its data, without the client."""
        self.own = SimpleQueue()
        self.backend.sendall(message(b"Q", sql.encode() + b"\0"))
        rows: list[list[str | None]] = []
        error = ""
        while True:
            kind, body = self.own.get(timeout=600)
            if kind == b"D":
                rows.append(_values(body))
            elif kind == b"G":
                for start in range(0, len(data or b""), CHUNK):
                    chunk = (data or b"")[start : start + CHUNK]
                    self.backend.sendall(message(b"d", chunk))
                self.backend.sendall(message(b"c", b""))
            elif kind == b"E":
                fields = {f[:1]: f[1:].decode() for f in body.split(b"\0") if f}
                error = fields[b"M"]
            elif kind == b"Z":
                self.own = None
                return Answer(rows, error)

    def run(self, sql: str, data: bytes | None = None, code: str = "XX000") -> Answer:
        """Run a query like ``ask``. Raises RefusedStatementError for an error."""
        answer = self.ask(sql, data)
        if answer.error:
            raise RefusedStatementError(code, answer.error)
        return answer

    # --- Messages of PostgreSQL ---

    def _pump(self) -> None:
        waiting = b""
        try:
            while chunk := self.backend.recv(CHUNK):
                waiting += chunk
                passed = bytearray()
                start = 0
                while len(waiting) - start >= 5:
                    (size,) = struct.unpack_from("!i", waiting, start + 1)
                    end = start + 1 + size
                    if end > len(waiting):
                        break
                    kind = waiting[start : start + 1]
                    if kind == b"K":
                        (self.pid,) = struct.unpack_from("!i", waiting, start + 5)
                    if kind == b"Z":
                        self.transaction = waiting[end - 1 : end]
                    if self.own is not None:
                        self.own.put((kind, waiting[start + 5 : end]))
                    else:
                        passed += waiting[start:end]
                    start = end
                waiting = waiting[start:]
                if passed:
                    with self.client_lock:
                        self.request.sendall(passed)
        except OSError:
            pass
        finally:
            with suppress(OSError):
                self.request.shutdown(socket.SHUT_RDWR)

    def _message(self) -> tuple[bytes, bytes]:
        kind = self._read(1)
        (size,) = struct.unpack("!i", self._read(4))
        return kind, self._read(size - 4)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            chunk = self._receive(min(size - len(parts), CHUNK))
            if not chunk:
                raise EOFError
            parts += chunk
        return bytes(parts)

    def _receive(self, size: int) -> bytes:
        """Read from the client. TLS cannot read while the other thread writes."""
        if not (isinstance(self.request, ssl.SSLSocket) and self.request.pending()):
            select.select([self.request], [], [])
        with self.client_lock:
            received: bytes = self.request.recv(size)
        return received


def _values(body: bytes) -> list[str | None]:
    (count,) = struct.unpack_from("!h", body)
    position = 2
    values: list[str | None] = []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, position)
        position += 4
        if size < 0:
            values.append(None)
        else:
            values.append(body[position : position + size].decode())
            position += size
    return values


def _error(code: str, reason: str, severity: str = "ERROR") -> bytes:
    fields = {"S": severity, "V": severity, "C": code, "M": reason}
    body = "".join(f"{key}{value}\0" for key, value in fields.items()) + "\0"
    return message(b"E", body.encode())


class Proxy(socketserver.ThreadingTCPServer):
    """The server, on a free port of localhost."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, wire: Wire) -> None:
        super().__init__(("127.0.0.1", 0), type("Session", (Session,), {"wire": wire}))
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()
