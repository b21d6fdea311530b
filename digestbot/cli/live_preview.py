"""
A local page that reloads when a file changes, for ``preview --open``.

A short script in the page polls for changes once a second, so that no file-watching library is
needed. Start reading at `LivePage`.
"""

import hashlib
from collections.abc import Callable, Iterable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
_POLLING = """\
<script>
let shown;
setInterval(async () => {
  try {
    const state = await (await fetch("/state", {cache: "no-store"})).text();
    if (shown && state !== shown) location.reload();
    shown = state;
  } catch {}
}, 1000);
</script>
"""


class LivePage:
    """
    HTTP server for one page at `url`; serves from `serve` until `close`.

    It listens on the loopback address only and checks the ``Host`` header, against DNS rebinding.
    """

    def __init__(self, render: Callable[[], str], watched: Callable[[], Iterable[Path]]) -> None:
        """
        Bind to a free port.

        Args:
            render: Returns the page, HTML or plain text; the page shows any exception it raises.
            watched: Returns the files and folders whose changes reload the page.
        """
        self._render = render
        self._watched = watched
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    def serve(self) -> None:
        """Answer requests until `close` or KeyboardInterrupt."""
        self._server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """Stop `serve` and close the socket."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.server_close()

    def page(self) -> tuple[int, str]:
        """Render the page; return the HTTP status and the body."""
        try:
            text = self._render()
        except Exception as error:  # the config or a template may be half-edited
            return 500, f"{_plain(str(error) or type(error).__name__)}{_POLLING}"
        if not text.lstrip().lower().startswith("<!doctype html"):
            return 200, f"{_plain(text)}{_POLLING}"
        before, end, after = text.rpartition("</body>")
        return 200, f"{before}{_POLLING}{end}{after}" if end else text + _POLLING

    def state(self) -> str:
        """Return a hash that changes with any watched file."""
        files = [file for path in self._watched() for file in _files(path)]
        facts = [(str(file), _stamp(file)) for file in sorted(files)]
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                own = page.url.removeprefix("http://").removesuffix("/")
                if self.headers.get("Host") != own or self.path not in {"/", "/state"}:
                    self.send_error(404)
                    return
                status, text = page.page() if self.path == "/" else (200, page.state())
                body = text.encode("utf-8", "replace")
                self.send_response(status)
                kind = "text/html" if self.path == "/" else "text/plain"
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
                """Keep requests out of the log."""

        return Handler


def _plain(text: str) -> str:
    return f"<!DOCTYPE html><meta charset=utf-8><pre>{escape(text)}</pre>"


def _files(path: Path) -> Iterable[Path]:
    return (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else (path,)


def _stamp(file: Path) -> tuple[int, int]:
    """Return the file's mtime and size; zeros if an editor is just replacing it."""
    try:
        facts = file.stat()
    except OSError:
        return (0, 0)
    return (facts.st_mtime_ns, facts.st_size)
