"""
A page on this machine that renders itself anew when a file changes: ``preview --open``.

The page asks each second whether something has changed, in ten lines of script; there is nothing
to install and nothing that watches the disk. Begin at `LivePage`.
"""

import hashlib
from collections.abc import Callable, Iterable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
_ASKING = """\
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
    The page at `url`, from ``with`` or `serve` on until `close`.

    Only for browsers of this machine: other addresses do not reach it, and a name that some web
    page had made to lead here gets nothing.
    """

    def __init__(self, render: Callable[[], str], watched: Callable[[], Iterable[Path]]) -> None:
        """
        *render* gives the page, HTML or plain text, and may raise what it likes: that is shown.
        *watched* are the files and folders whose change is told.
        """
        self._render = render
        self._watched = watched
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    def serve(self) -> None:
        """Answer until `close` is called, or the person has seen enough (KeyboardInterrupt)."""
        self._server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """Stop answering."""
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
        """The status and the page as it is now."""
        try:
            text = self._render()
        except Exception as error:  # the owner is just writing it
            return 500, f"{_plain(str(error) or type(error).__name__)}{_ASKING}"
        if not text.lstrip().lower().startswith("<!doctype html"):
            return 200, f"{_plain(text)}{_ASKING}"
        before, end, after = text.rpartition("</body>")
        return 200, f"{before}{_ASKING}{end}{after}" if end else text + _ASKING

    def state(self) -> str:
        """Another word whenever a watched file is another."""
        files = [file for each in self._watched() for file in _files(each)]
        facts = [(str(file), _stamp(file)) for file in sorted(files)]
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        live = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                own = live.url.removeprefix("http://").removesuffix("/")
                if self.headers.get("Host") != own or self.path not in {"/", "/state"}:
                    self.send_error(404)
                    return
                status, text = live.page() if self.path == "/" else (200, live.state())
                body = text.encode("utf-8", "replace")
                self.send_response(status)
                kind = "text/html" if self.path == "/" else "text/plain"
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """A preview needs no log."""

        return Handler


def _plain(text: str) -> str:
    return f"<!DOCTYPE html><meta charset=utf-8><pre>{escape(text)}</pre>"


def _files(path: Path) -> Iterable[Path]:
    return (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else (path,)


def _stamp(file: Path) -> tuple[int, int]:
    """What tells one version of a file from the next; an editor may just have taken it away."""
    try:
        facts = file.stat()
    except OSError:
        return (0, 0)
    return (facts.st_mtime_ns, facts.st_size)
