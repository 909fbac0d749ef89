"""The HTTP end: moto's server, with our own layer before it."""

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

OWN_SERVICES = ("RedshiftData", "RedshiftServerless")
PREFIXES = {
    "RedshiftData": "redshift-data",
    "RedshiftServerless": "redshift-serverless",
}
ACTIONS = {"ListObjectsV2": "ListBucket", "HeadObject": "GetObject"}
"""The right that an operation needs, where it has another name."""

OF_TESTS = "of-tests"
"""What a client of the tests' own says in its user agent."""

TIMEOUT_SECONDS = 120
"""How long an answer is held back; longer than any client here waits."""

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
    """What goes wrong next, by operation."""

    waiting: dict[str, list[str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, operation: str, how: str, times: int) -> None:
        """Let the next calls of an operation fail."""
        if how not in HOW:
            raise ValueError(f"{how} is none of {', '.join(HOW)}")
        with self.lock:
            self.waiting.setdefault(operation, []).extend([how] * times)

    def take(self, operation: str) -> str:
        """Return what goes wrong with a call, '' for nothing."""
        with self.lock:
            waiting = self.waiting.get(operation)
            return waiting.pop(0) if waiting else ""


def operation_of(request: Request, body: bytes) -> tuple[str, str]:
    """Return the service and the operation that a request asks for."""
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
    """moto's own, which lists the folder of its services once, not for each request."""

    services: ClassVar[dict[str | None, Any]] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return the service that answers a host."""
        if host not in self.services:
            self.services[host] = super().get_backend_for_host(host)
        return self.services[host]


@dataclass
class Layer:
    """What answers before moto does."""

    json_operations: JsonOperations
    query_operations: QueryOperations
    buckets: Buckets
    faults: Faults = field(default_factory=Faults)
    actions: set[str] = field(default_factory=set)
    """What rights the clients' requests needed, as policies name them."""

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
            self.actions.add(f"{PREFIXES.get(service, service)}:{right}")
        how = self.faults.take(operation)
        if how in ERRORS:
            return _error_answer(service, ERRORS[how])(environ, start)
        if how == "timeout":
            self.stopped.wait(TIMEOUT_SECONDS)
        if how == "lost answer":
            list(self._answer(service, operation, body)(environ, _say_nothing))
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
                asked = json.loads(body or b"{}")
                return _json(self.json_operations(service, operation, asked), 200)
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
    return Response(
        json.dumps(reply),
        status,
        headers,
        content_type="application/x-amz-json-1.1",
    )


def _xml(operation: str, reply: dict[str, str]) -> Response:
    inner = "".join(f"<{key}>{escape(text)}</{key}>" for key, text in reply.items())
    body = (
        f"<{operation}Response><{operation}Result>{inner}</{operation}Result>"
        f"</{operation}Response>"
    )
    return Response(body, content_type="text/xml")


def _error_answer(service: str, error: AwsError) -> Response:
    """Return an error in the form of its service: JSON, S3's XML, or XML in a frame."""
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


def _say_nothing(*_: Any) -> Callable[[bytes], None]:
    """Replace WSGI's start_response for a reply that is not sent."""
    return lambda _: None


def _reset(environ: Environ) -> None:
    """Cut the connection off. Raises ConnectionResetError always."""
    client: socket.socket = environ["werkzeug.socket"]
    client.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


class QuietHandler(MotoRequestHandler):
    """moto's own, without a line for each request."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


class AwsServer:
    """The server, on a free port of this machine."""

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
