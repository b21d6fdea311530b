"""Real HTTP server in a thread, on loopback, with scripted responses."""

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Request of a client."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Response of the server, byte for byte."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    """Content-Length is added unless given."""
    cookies: Sequence[str] = ()
    """One Set-Cookie header each."""
    body: bytes = b""
    raw: Iterable[bytes] | None = None
    """Sent as produced, instead of status, headers and body."""
    reset: bool = False
    """Reset the connection: at once, or before the last byte of *body* if there is one."""
    delay_s: float = 0.0
    """Delay of the response."""
    wait_for: threading.Event | None = None
    """Event to wait for before responding."""


Answering = Callable[[Request], Reply]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that hang up, as some tests do."""


class WebServer:
    """
    Server for ``with``; *answering* is called for each request, in the server's threads.

    ``WebServer.of(reply, reply…)`` sends them in turn and repeats the last.
    """

    def __init__(self, answering: Answering, *, tls: ssl.SSLContext | None = None) -> None:
        self._answering = answering
        self._tls = tls
        self._lock = threading.Lock()
        self.requests: list[Request] = []

    @classmethod
    def of(cls, *replies: Reply, tls: ssl.SSLContext | None = None) -> Self:
        """Send *replies* in turn to any requests, and repeat the last."""
        left = list(replies)
        return cls(lambda _: left.pop(0) if len(left) > 1 else left[0], tls=tls)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``, or https, without a trailing slash."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def paths(self) -> Sequence[str]:
        """Requested paths, in order."""
        return [request.path for request in self.requests]

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), self._make_handler())
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: Request) -> Reply:
        """Record *request*, then answer it; one at a time."""
        with self._lock:
            self.requests.append(request)
            return self._answering(request)

    def _make_handler(self) -> type[socketserver.BaseRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def _handle(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                address = urlsplit(self.path)
                request = Request(
                    method=self.command,
                    path=address.path,
                    query=dict(parse_qsl(address.query, keep_blank_values=True)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(length),
                )
                self._send(web.answer(request))

            do_GET = _handle
            do_POST = _handle

            def _send(self, reply: Reply) -> None:
                threading.Event().wait(reply.delay_s)
                if reply.wait_for is not None:
                    reply.wait_for.wait(60)
                # Each connection serves one request, so that all are closed when a test ends.
                self.close_connection = True
                if reply.reset:
                    self._reset(reply.body)
                    return
                if reply.raw is not None:
                    for part in reply.raw:
                        self.wfile.write(part)
                    return
                self.send_response(reply.status)
                headers = {"Content-Length": str(len(reply.body)), "Connection": "close"}
                for name, value in (headers | dict(reply.headers)).items():
                    self.send_header(name, value)
                for cookie in reply.cookies:
                    self.send_header("Set-Cookie", cookie)
                self.end_headers()
                self.wfile.write(reply.body)

            def _reset(self, body: bytes) -> None:
                if body:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body) + 1))
                    self.end_headers()
                    self.wfile.write(body)
                # Lingering for zero seconds makes close() send RST instead of FIN.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep the terminal quiet."""

        return Handler
