"""
Fake Slack in a thread: chat.postMessage, auth.test, direct messages, a webhook, a workflow.

It refuses what Slack refuses (`slack_limits`; threads under unknown messages) and keeps what it
accepts. A fault is ``(status, body, headers)``, `CUT` (close the connection without a reply,
nothing posted) or `POST_AND_CUT` (post, then close); each happens once, in order, and None stands
for a request without a fault.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from tests.servers.slack_limits import check_message

CUT = "<cut>"
POST_AND_CUT = "<post and cut>"

Fault = tuple[int, str, Mapping[str, str]] | str | None

TOKEN = "xoxb-pl4nted-right"
WEBHOOK_PATH = "/services/T/B/pl4nted"
WORKFLOW_PATH = "/triggers/T/1/pl4nted"


def layout_error(message: Mapping[str, Any]) -> str | None:
    """Return Slack's error code for an invalid *message*, if it is one."""
    problems = check_message({key: message[key] for key in ("text", "blocks") if key in message})
    if not problems:
        return None
    if problems[0] == "text: empty":
        return "no_text"
    if any(problem.startswith("msg_blocks_too_long") for problem in problems):
        return "msg_blocks_too_long"
    return "invalid_blocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Message accepted by the server."""

    ts: str
    message: Mapping[str, Any]


class SlackServer:
    """Fake Slack on a loopback port with *channels*, for use in ``with``."""

    def __init__(
        self,
        *,
        faults: Iterable[Fault] = (),
        channels: Iterable[str] = ("#papers",),
        members: Mapping[str, str] | None = None,
        meeting: threading.Barrier | None = None,
    ) -> None:
        """
        Args:
            members: Ids of the workspace's members by email address.
            meeting: All requests wait here, if given, before they get replies.
        """
        self.faults: list[Fault] = list(faults)
        self.token = TOKEN
        """The token that it accepts."""
        self.posted: defaultdict[str, list[Posted]] = defaultdict(list)
        """Messages by channel; those of the webhook by its path."""
        self.requests: list[tuple[str, str, Mapping[str, Any]]] = []
        """Verb, path and JSON of every request, including refused ones."""
        self.channels = set(channels)
        self.members = dict(members or {})
        self._meeting = meeting
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", 0), _Answerer)
        self._http.slack = self
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def url(self) -> str:
        """Value for ``slack.url``."""
        return f"{self.origin}/api/"

    @property
    def webhook(self) -> str:
        return self.origin + WEBHOOK_PATH

    @property
    def workflow(self) -> str:
        """URL of a webhook that starts a workflow."""
        return self.origin + WORKFLOW_PATH

    def texts(self, channel: str) -> list[str]:
        return [posted.message["text"] for posted in self.posted[channel]]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def answer(
        self, verb: str, path: str, token: str, message: Mapping[str, Any]
    ) -> tuple[int, str, Mapping[str, str]] | None:
        """Return status, body and headers; None closes the connection."""
        if self._meeting is not None:
            self._meeting.wait()
        with self._lock:
            self.requests.append((verb, path, message))
            fault = self.faults.pop(0) if self.faults else None
            if isinstance(fault, tuple):
                return fault
            if fault == CUT:
                return None
            answer = self._route(verb, path, token, message)
            return None if fault == POST_AND_CUT else answer

    def _route(
        self, verb: str, path: str, token: str, message: Mapping[str, Any]
    ) -> tuple[int, str, Mapping[str, str]]:
        if verb == "POST" and path == "/api/chat.postMessage":
            return self._json(token, lambda: self._post_message(message))
        if verb == "POST" and path == "/api/auth.test":
            return self._json(token, lambda: {"team": "Reading group", "user": "digestbot"})
        if verb == "POST" and path == "/api/users.lookupByEmail":
            return self._json(token, lambda: self._find_member(message))
        if verb == "POST" and path == "/api/conversations.open":
            return self._json(token, lambda: self._open_direct(message))
        if verb == "POST" and path == WEBHOOK_PATH:
            return self._post_to_webhook(message)
        if verb == "POST" and path == WORKFLOW_PATH:
            return self._start_workflow(message)
        if path.startswith("/services/"):
            return 404, "no_service", {}
        return 404, "not found", {}

    def _json(self, token: str, do: Any) -> tuple[int, str, Mapping[str, str]]:
        if token != self.token:
            answer = {"ok": False, "error": "invalid_auth" if token else "not_authed"}
        else:
            answer = {"ok": True, **do()}
        return 200, json.dumps(answer), {"Content-Type": "application/json; charset=utf-8"}

    def _post_message(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        channel = message.get("channel")
        error = layout_error(message)
        if channel not in self.channels:
            error = "channel_not_found"
        thread = message.get("thread_ts")
        if thread is not None and not self._has(channel, thread):
            error = error or "thread_not_found"
        if error:
            return {"ok": False, "error": error}
        return {"channel": channel, "ts": self._keep(str(channel), message)}

    def _find_member(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        member = self.members.get(fields.get("email", ""))
        found = {"ok": False, "error": "users_not_found"}
        return found if member is None else {"user": {"id": member}}

    def _open_direct(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if message.get("users") not in self.members.values():
            return {"ok": False, "error": "user_not_found"}
        channel = f"D{message['users'][1:]}"
        self.channels.add(channel)
        return {"channel": {"id": channel}}

    def _has(self, channel: str | None, ts: str) -> bool:
        return any(posted.ts == ts for posted in self.posted[str(channel)])

    def _keep(self, place: str, message: Mapping[str, Any]) -> str:
        ts = f"1764000000.{sum(map(len, self.posted.values())):06}"
        self.posted[place].append(Posted(ts=ts, message=message))
        return ts

    def _post_to_webhook(self, message: Mapping[str, Any]) -> tuple[int, str, Mapping[str, str]]:
        error = layout_error(message)
        if error:
            return 400, error, {}
        self._keep(WEBHOOK_PATH, message)
        return 200, "ok", {}

    def _start_workflow(self, variables: Mapping[str, Any]) -> tuple[int, str, Mapping[str, str]]:
        """Accept the variable ``text`` of a workflow that has this one."""
        if not isinstance(variables.get("text"), str) or len(variables) > 1:
            return 400, json.dumps({"ok": False, "error": "invalid_workflow_input"}), {}
        self._keep(WORKFLOW_PATH, variables)
        return 200, json.dumps({"ok": True}), {}


class _Http(ThreadingHTTPServer):
    request_queue_size = 128
    slack: SlackServer


class _Answerer(BaseHTTPRequestHandler):
    server: _Http

    def do_POST(self) -> None:
        self._answer("POST")

    def do_GET(self) -> None:
        self._answer("GET")

    def _answer(self, verb: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        message = self._fields(body)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        answer = self.server.slack.answer(verb, self.path, token, message)
        if answer is None:
            self.close_connection = True
            return
        status, text, headers = answer
        content = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _fields(self, body: bytes) -> Mapping[str, Any]:
        """Parse *body*; like Slack's, the methods that only read know forms but not JSON."""
        is_form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
        if is_form:
            return dict(parse_qsl(body.decode()))
        is_ignored = not body or self.path == "/api/users.lookupByEmail"
        return {} if is_ignored else dict(json.loads(body))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""
