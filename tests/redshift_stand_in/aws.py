"""The HTTP end: moto's server, with our own layer before it."""

from __future__ import annotations

import io
import json
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from redshift_stand_in.errors import AwsError

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
Operation = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Layer:
    """What answers before moto does."""

    json_operations: Callable[[str, str, dict[str, Any]], dict[str, Any] | None]
    query_operations: Callable[[str, dict[str, str]], dict[str, str] | None]
    faults: dict[str, list[str]] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    moto: Wsgi = field(
        default_factory=lambda: DomainDispatcherApplication(create_backend_app)
    )

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        request = Request(environ)
        service, operation = _operation(request)
        return self._answer(service, operation, request, environ)(environ, start)

    def _answer(
        self, service: str, operation: str, request: Request, environ: dict[str, Any]
    ) -> Wsgi:
        if service in ("RedshiftData", "RedshiftServerless"):
            asked = json.loads(request.get_data() or b"{}")
            try:
                told = self.json_operations(service, operation, asked)
            except AwsError as error:
                return _json({"__type": error.code, **error.fields}, error.status)
            if told is not None:
                return _json(told, 200)
        if service == "redshift":
            body = request.get_data()
            environ["wsgi.input"] = io.BytesIO(body)  # moto reads it again
            form = dict(parse_qsl(body.decode()))
            try:
                answered = self.query_operations(form.get("Action", ""), form)
            except AwsError as error:
                return _xml_error(error)
            if answered is not None:
                return _xml(form["Action"], answered)
        return self.moto


def _operation(request: Request) -> tuple[str, str]:
    target = request.headers.get("X-Amz-Target", "")
    if target:
        service, _, operation = target.partition(".")
        return service, operation
    scope = request.headers.get("Authorization", "").partition("Credential=")[2]
    parts = scope.split(",")[0].split("/")
    service = parts[3] if len(parts) > 3 else "s3"
    return service, ""


def _json(told: dict[str, Any], status: int) -> Response:
    headers = {"x-amzn-RequestId": secrets.token_hex(8)}
    return Response(
        json.dumps(told),
        status,
        headers,
        content_type="application/x-amz-json-1.1",
    )


def _xml(operation: str, told: dict[str, str]) -> Response:
    inner = "".join(f"<{key}>{escape(text)}</{key}>" for key, text in told.items())
    body = (
        f"<{operation}Response><{operation}Result>{inner}</{operation}Result>"
        f"</{operation}Response>"
    )
    return Response(body, content_type="text/xml")


def _xml_error(error: AwsError) -> Response:
    inner = f"<Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
    body = f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>"
    return Response(body, error.status, content_type="text/xml")


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
