"""The HTTP server: moto, behind a layer that answers or fails some requests."""

from __future__ import annotations

import io
import json
import secrets
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from redshift_stand_in.buckets import Buckets
from redshift_stand_in.errors import AwsError

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
JsonOperations = Callable[[str, str, dict[str, Any]], dict[str, Any]]
QueryOperations = Callable[[str, dict[str, str]], "dict[str, str] | None"]

OWN_SERVICES = {
    "RedshiftData": "redshift-data",
    "RedshiftServerless": "redshift-serverless",
}
"""Services that moto does not answer, and their names in policies."""

ACTIONS = {"ListObjectsV2": "ListBucket", "HeadObject": "GetObject"}
"""IAM actions whose names differ from their operations."""

OF_TESTS = "of-tests"
"""Mark of the tests' own clients in the user agent."""

TIMEOUT_SECONDS = 120
"""Delay of an answer. Every client in the tests times out earlier."""

ERRORS = {
    "throttle": AwsError("ThrottlingException", "Rate exceeded"),
    "500": AwsError("InternalServerException", "Internal error", 500),
    "expired": AwsError(
        "ExpiredTokenException", "The security token included in the request is expired"
    ),
    "denied": AwsError(
        "AccessDeniedException", "User is not authorized to perform this action"
    ),
}
S3_CODES = {
    "ThrottlingException": ("SlowDown", 503),
    "InternalServerException": ("InternalError", 500),
    "ExpiredTokenException": ("ExpiredToken", 400),
    "AccessDeniedException": ("AccessDenied", 403),
}
HOW = (*ERRORS, "reset", "timeout", "lost answer")


@dataclass
class Faults:
    """Faults of the next calls, by operation."""

    waiting: dict[str, list[str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, operation: str, how: str, times: int) -> None:
        """Make the next calls fail. Raises ValueError for an unknown fault."""
        if how not in HOW:
            raise ValueError(f"{how} is not one of {', '.join(HOW)}")
        with self.lock:
            self.waiting.setdefault(operation, []).extend([how] * times)

    def take(self, operation: str) -> str:
        """Remove and return the next fault of an operation, or an empty text."""
        with self.lock:
            waiting = self.waiting.get(operation)
            return waiting.pop(0) if waiting else ""


def operation_of(request: Request, body: bytes) -> tuple[str, str]:
    """Return the service and the operation of a request."""
    target = request.headers.get("X-Amz-Target", "")
    if target:
        service, _, operation = target.partition(".")
        return service, operation
    scope = request.headers.get("Authorization", "").partition("Credential=")[2]
    parts = scope.split(",")[0].split("/")
    service = parts[3] if len(parts) > 3 else "s3"
    if service != "s3":
        return service, dict(parse_qsl(body.decode(errors="replace"))).get("Action", "")
    if request.method == "GET" and "list-type" in request.args:
        return service, "ListObjectsV2"
    is_bucket = request.path.count("/") == 1 or request.path.endswith("/")
    if request.method == "HEAD" and is_bucket:
        return service, "ListBucket"
    names = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject"}
    return service, names.get(request.method, request.method)


class Dispatcher(DomainDispatcherApplication):
    """moto's dispatcher, with a cache of each host's service."""

    services: ClassVar[dict[str | None, Any]] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return the service of a host."""
        if host not in self.services:
            self.services[host] = super().get_backend_for_host(host)
        return self.services[host]


@dataclass
class Layer:
    """The WSGI application: answers a request, makes it fail, or passes it to moto."""

    json_operations: JsonOperations
    query_operations: QueryOperations
    buckets: Buckets
    faults: Faults = field(default_factory=Faults)
    actions: set[str] = field(default_factory=set)
    """IAM actions that the clients' requests needed."""

    stopped: threading.Event = field(default_factory=threading.Event)
    moto: Wsgi = field(default_factory=lambda: Dispatcher(create_backend_app))

    def __call__(self, environ: Environ, start: Any) -> Iterable[bytes]:
        body = b""
        if size := int(environ.get("CONTENT_LENGTH") or 0):
            body = environ["wsgi.input"].read(size)
            environ["wsgi.input"] = io.BytesIO(body)  # moto reads it again
        service, operation = operation_of(Request(environ), body)
        if OF_TESTS not in environ.get("HTTP_USER_AGENT", ""):
            right = ACTIONS.get(operation, operation)
            self.actions.add(f"{OWN_SERVICES.get(service, service)}:{right}")
        how = self.faults.take(operation)
        if how in ERRORS:
            return _error_answer(service, ERRORS[how])(environ, start)
        if how == "timeout":
            self.stopped.wait(TIMEOUT_SECONDS)
        if how == "lost answer":
            list(self._answer(service, operation, body)(environ, _discard_reply))
            self.buckets.writes += 1
        if how:
            _reset(environ)
        answer = self._answer(service, operation, body)(environ, start)
        if service == "s3" and environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            self.buckets.writes += 1
        return answer

    def _answer(self, service: str, operation: str, body: bytes) -> Wsgi:
        try:
            if service in OWN_SERVICES:
                request = json.loads(body or b"{}")
                return _json(self.json_operations(service, operation, request), 200)
            if service == "redshift":
                form = dict(parse_qsl(body.decode()))
                reply = self.query_operations(operation, form)
                if reply is not None:
                    return _xml(operation, reply)
        except AwsError as error:
            return _error_answer(service, error)
        return self.moto


def _json(reply: dict[str, Any], status: int) -> Response:
    headers = {"x-amzn-RequestId": secrets.token_hex(8)}
    kind = "application/x-amz-json-1.1"
    return Response(json.dumps(reply), status, headers, content_type=kind)


def _xml(operation: str, reply: dict[str, str]) -> Response:
    inner = "".join(f"<{key}>{escape(text)}</{key}>" for key, text in reply.items())
    body = (
        f"<{operation}Response><{operation}Result>{inner}</{operation}Result>"
        f"</{operation}Response>"
    )
    return Response(body, content_type="text/xml")


def _error_answer(service: str, error: AwsError) -> Response:
    """Return an error in the format of its service: JSON or XML."""
    if service == "s3":
        code, status = S3_CODES.get(error.code, (error.code, error.status))
        body = (
            f"<Error><Code>{code}</Code><Message>{escape(str(error))}</Message></Error>"
        )
        return Response(body, status, content_type="application/xml")
    if service != "redshift":
        return _json({"__type": error.code, **error.fields}, error.status)
    inner = f"<Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
    body = f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>"
    return Response(body, error.status, content_type="text/xml")


def _discard_reply(*_: Any) -> Callable[[bytes], None]:
    """Replace WSGI's start_response for a reply that is not sent."""
    return lambda _: None


def _reset(environ: Environ) -> None:
    """Close the connection. Always raises ConnectionResetError."""
    client: socket.socket = environ["werkzeug.socket"]
    client.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


class QuietHandler(MotoRequestHandler):
    """moto's handler, without a log line per request."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""


class AwsServer:
    """The server, on a free port of localhost."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.server: BaseWSGIServer = make_server(
            "127.0.0.1", 0, layer, threaded=True, request_handler=QuietHandler
        )
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.layer.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
