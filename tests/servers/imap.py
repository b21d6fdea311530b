"""
Small IMAP server over TLS in a thread: the commands of RFC 3501 that digestbot uses.

It has one account with a few folders; its log has every command as received.
"""

import re
import socketserver
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(slots=True)
class Mail:
    """One mail in a folder."""

    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)


class ImapServer:
    """
    Server on a loopback port, for use in ``with``.

    Args:
        context: Certificate for ``localhost``.
        login: User name and password of the account.
        can_move: Offer MOVE (RFC 6851), after the login only.
        refuses: Reply to each use of a command, by command, instead of executing it.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        login: tuple[str, str] = ("me", "pl4nted-password"),
        can_move: bool = True,
        refuses: dict[str, str] | None = None,
    ) -> None:
        self.folders: dict[str, list[Mail]] = {"INBOX": [], "Done": []}
        self.validity = 7
        self.commands: list[str] = []
        self.login = login
        self.can_move = can_move
        self.refuses = refuses or {}
        self._next_uid = 1
        server = self

        class Dialogue(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _Dialogue(server, self.rfile.readline, self.wfile.write).run()

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def get_request(self) -> tuple[ssl.SSLSocket, object]:
                raw, address = super().get_request()
                raw.settimeout(60)
                # The handshake happens in the connection's thread, at its first read or write.
                secured = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
                return secured, address

            def handle_error(self, request: object, client_address: object) -> None:
                """Ignore clients that leave during the handshake: their tests assert it."""

        self._listener = Listener(("127.0.0.1", 0), Dialogue)
        self.port: int = self._listener.server_address[1]
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def put(self, raw: bytes, folder: str = "INBOX") -> Mail:
        """Add a mail to a folder."""
        mail = Mail(uid=self._next_uid, raw=raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        self._next_uid += 1
        self.folders[folder].append(mail)
        return mail

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join(10)
        assert not self._thread.is_alive()


class _Dialogue:
    """One connection."""

    def __init__(
        self,
        server: ImapServer,
        read_line: Callable[[], bytes],
        write: Callable[[bytes], object],
    ) -> None:
        self._server = server
        self._read_line = read_line
        self._write = write
        self._is_in = False
        self._folder: list[Mail] = []

    def run(self) -> None:
        self._say("* OK ready")
        while line := self._read_line().decode("ascii").rstrip("\r\n"):
            tag, _, command = line.partition(" ")
            self._server.commands.append(command)
            word, _, rest = command.partition(" ")
            refusal = self._server.refuses.get(word)
            self._say(f"{tag} {refusal or self._answer(word.upper(), rest)}")
            if word.upper() == "LOGOUT":
                return

    def _say(self, line: str) -> None:
        self._write(line.encode("ascii") + b"\r\n")

    def _answer(self, word: str, rest: str) -> str:
        if word == "CAPABILITY":
            move = " MOVE" if self._is_in and self._server.can_move else ""
            self._say(f"* CAPABILITY IMAP4rev1{move}")
            return "OK done"
        if word == "LOGIN":
            self._is_in = tuple(_words(rest)) == self._server.login
            return "OK in" if self._is_in else f"NO [AUTHENTICATIONFAILED] not {rest}"
        if word == "AUTHENTICATE":
            return self._authenticate(rest)
        if word == "LOGOUT":
            self._say("* BYE")
            return "OK bye"
        if not self._is_in:
            return "BAD log in first"
        if word == "SELECT":
            return self._select(*_words(rest))
        if word == "UID":
            return self._by_uid(rest)
        return "BAD what"

    def _authenticate(self, mechanism: str) -> str:
        """Log in by XOAUTH2 without an initial response; the password is the token."""
        if mechanism != "XOAUTH2":
            return "NO what"
        self._say("+ ")
        name, token = self._server.login
        given = b64decode(self._read_line().strip()).decode()
        self._is_in = given == f"user={name}\1auth=Bearer {token}\1\1"
        if self._is_in:
            return "OK in"
        self._say(f"+ {b64encode(b'{}').decode()}")
        assert self._read_line() == b"\r\n"
        return f"NO [AUTHENTICATIONFAILED] not {given}".replace("\1", " ")

    def _select(self, name: str) -> str:
        if name not in self._server.folders:
            return f"NO [NONEXISTENT] no folder {name}"
        self._folder = self._server.folders[name]
        self._say(f"* {len(self._folder)} EXISTS")
        self._say(f"* OK [UIDVALIDITY {self._server.validity}] so it is")
        return "OK [READ-WRITE] selected"

    def _by_uid(self, rest: str) -> str:
        word, _, more = rest.partition(" ")
        if word == "SEARCH":
            low = int(re.fullmatch(r"UID (\d+):\*", more)[1])  # type: ignore[index]
            uids = [mail.uid for mail in self._folder]
            found = [uid for uid in uids if uid >= min(low, max(uids, default=0))]
            self._say(f"* SEARCH {' '.join(map(str, found))}".rstrip())
            return "OK searched"
        uid, _, what = more.partition(" ")
        mail = next((mail for mail in self._folder if mail.uid == int(uid)), None)
        if mail is None:
            return "OK nothing"
        if word == "FETCH":
            size = int(re.fullmatch(r"\(BODY\.PEEK\[\]<0\.(\d+)>\)", what)[1])  # type: ignore[index]
            part = mail.raw[:size]
            self._write(f"* 1 FETCH (UID {uid} BODY[]<0> {{{len(part)}}}\r\n".encode() + part)
            self._say(")")
        elif word == "STORE":
            mail.flags |= set(re.findall(r"\\\w+", what))
        elif word in {"COPY", "MOVE"}:
            (target,) = _words(what)
            if target not in self._server.folders:
                return f"NO [TRYCREATE] no folder {target}"
            self._server.put(mail.raw, target).flags |= mail.flags
            if word == "MOVE":
                self._folder.remove(mail)
        return "OK done"


def _words(text: str) -> list[str]:
    """Split a command into atoms and quoted strings."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', text)
    return [atom if atom else re.sub(r"\\(.)", r"\1", quoted) for quoted, atom in found]
