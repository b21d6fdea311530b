"""
Mailboxes that bounces arrive in: a Maildir, an mbox file, a pipe, an IMAP account.

A box yields its new mails. The caller settles each: bounces of ours are marked as read or moved,
all other mail stays as it was. IMAP always uses TLS and timeouts. All calls block; run them in a
thread. Begin at `open_box`.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from digestbot.bounces.parsing import MAX_BYTES
from digestbot.bounces.settings import BouncesSettings
from digestbot.errors import DeliveryError, MailboxError
from digestbot.oauth import TokenSource, xoauth2
from digestbot.secret import Secret
from digestbot.status_codes import one_line

if TYPE_CHECKING:
    import imaplib

MAILS_PER_PASS: Final = 500
"""Largest number of mails read in one pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One mail in a box."""

    key: str
    """Key of the mail within the box."""
    raw: bytes
    """First `MAX_BYTES` of the mail."""
    mark: str
    """Position in the box after this mail."""


class Box(Protocol):
    """Mailbox, for use in ``with``."""

    name: str
    """See `BouncesSettings.place`."""

    def items(self, mark: str) -> Iterator[Item]:
        """Yield the mails after *mark*, in order, at most `MAILS_PER_PASS`."""

    def settle(self, item: Item, *, is_ours: bool) -> None:
        """Mark or move a bounce of ours; leave any other mail unchanged."""


def open_box(settings: BouncesSettings) -> AbstractContextManager[Box]:
    """
    Return the mailbox of *settings*; entering it connects.

    Raises:
        MailboxError: Unreachable, or the login is refused; now or in any later call.
    """
    if settings.maildir is not None:
        return contextlib.nullcontext(MaildirBox(Path(settings.maildir)))
    return _connected(settings)


def read_files(path: Path) -> Iterator[bytes]:
    """
    Yield the mails of an mbox file, or the single mail in the file, read-only.

    Raises:
        MailboxError: The file cannot be read.
    """
    import mailbox

    try:
        with path.open("rb") as file:
            if file.read(5) != b"From ":
                file.seek(0)
                yield file.read(MAX_BYTES)
                return
        with contextlib.closing(mailbox.mbox(path, create=False)) as box:
            for key in box.iterkeys():
                yield box.get_bytes(key)[:MAX_BYTES]
    except OSError as error:
        raise MailboxError(f"{path}: cannot be read: {error.strerror or error}") from error


class MaildirBox:
    """
    Folder in Maildir format (maildir(5)); ``new`` has the unprocessed mails.

    Processed mails move to ``cur``: bounces of ours as read, all others as unread.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        if not (path / "new").is_dir() or not (path / "cur").is_dir():
            raise MailboxError(f"{path}: not a Maildir: the folders new and cur are missing")

    def items(self, mark: str) -> Iterator[Item]:
        """See `Box`. *mark* is ignored: the folders hold the position."""
        try:
            files = sorted(f for f in (self._path / "new").iterdir() if not f.name.startswith("."))
            for file in files[:MAILS_PER_PASS]:
                with contextlib.suppress(FileNotFoundError), file.open("rb") as stream:
                    yield Item(key=file.name, raw=stream.read(MAX_BYTES), mark="")
        except OSError as error:
            raise MailboxError(f"{self.name}: cannot be read: {error.strerror}") from error

    def settle(self, item: Item, *, is_ours: bool) -> None:
        """See `Box`."""
        target = self._path / "cur" / f"{item.key.partition(':')[0]}:2,{'S' if is_ours else ''}"
        try:
            (self._path / "new" / item.key).rename(target)
        except FileNotFoundError:
            return  # another mail program was faster
        except OSError as error:
            raise MailboxError(f"{self.name}: cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _connected(settings: BouncesSettings) -> Iterator[Box]:
    """
    Log in and open the folder; log out at the end.

    Raises:
        MailboxError: With the reason in one line, without the password or the server's echo of it.
    """
    name = settings.place
    context, token = _tls_context(settings), _token(settings, name)
    import imaplib  # here: most commands open no mailbox

    try:
        connection = imaplib.IMAP4_SSL(
            settings.imap or "",
            settings.port,
            ssl_context=context,
            timeout=settings.timeout.total_seconds(),
        )
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message
        raise MailboxError(f"{name}: untrusted certificate: {reason}") from error
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError(f"{name}: cannot be reached: {one_line(str(error))}") from error
    try:
        _log_in(connection, settings, name, token)
        yield ImapBox(connection, settings, name)
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError(f"{name}: {one_line(str(error))}") from error
    finally:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            connection.logout()
        with contextlib.suppress(OSError):
            connection.shutdown()


def _tls_context(settings: BouncesSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:
            raise MailboxError(f'cannot read "bounces.ca_file": {settings.ca_file}') from error
    return context


def _token(settings: BouncesSettings, name: str) -> Secret | None:
    """Return the access token, before connecting. None for a login by password."""
    if settings.oauth is None:
        return None
    try:
        return asyncio.run(TokenSource(settings.oauth).token())
    except DeliveryError as error:
        raise MailboxError(f"{name}: {error}") from error


def _log_in(
    connection: "imaplib.IMAP4_SSL", settings: BouncesSettings, name: str, token: Secret | None
) -> None:
    import imaplib

    username = settings.username or ""
    password = settings.password.reveal() if settings.password else ""
    # A refusal is a challenge with the reason, which takes an empty response.
    responses = iter([xoauth2(username, token).encode()] if token else [])
    try:
        if token:
            connection.authenticate("XOAUTH2", lambda challenge: next(responses, b""))
        else:
            connection.login(username, password)
    except imaplib.IMAP4.abort:
        raise
    except (imaplib.IMAP4.error, UnicodeError):
        # Not chained and not quoted: servers may echo the line they refuse.
        advice = f'check "username" and "{"oauth" if token else "password"}" of "bounces"'
        raise MailboxError(f"{name}: login refused; {advice}") from None


class ImapBox:
    """
    Folder of an IMAP account (RFC 3501), read in the order of UIDs.

    The mark is the folder's UIDVALIDITY and the last UID read: each mail is read once, and mail
    that is not ours is not even marked as read.
    """

    def __init__(
        self, connection: "imaplib.IMAP4_SSL", settings: BouncesSettings, name: str
    ) -> None:
        self.name = name
        self._connection = connection
        self._move_to = settings.move_to
        self._check(connection.select(_quoted(settings.folder)))
        # After the login, since some servers then announce more capabilities.
        self._can_move = b"MOVE" in self._check(connection.capability())[-1].upper().split()
        self._validity = _number(connection.untagged_responses.get("UIDVALIDITY", [b"0"]))

    def items(self, mark: str) -> Iterator[Item]:
        """See `Box`."""
        validity, _, uid = mark.partition(":")
        last = int(uid) if validity == str(self._validity) else 0
        response = self._check(self._connection.uid("SEARCH", f"UID {last + 1}:*"))
        found = sorted(int(uid) for uid in (response[0] or b"").split())
        # "n:*" names the newest mail even if it is older than n (RFC 3501 section 6.4.8).
        for number in [number for number in found if number > last][:MAILS_PER_PASS]:
            raw = self._fetch(number)
            if raw is not None:
                yield Item(key=str(number), raw=raw, mark=f"{self._validity}:{number}")

    def settle(self, item: Item, *, is_ours: bool) -> None:
        """See `Box`."""
        if not is_ours:
            return
        self._check(self._connection.uid("STORE", item.key, "+FLAGS.SILENT", r"(\Seen)"))
        if self._move_to is None:
            return
        if self._can_move:
            self._check(self._connection.uid("MOVE", item.key, _quoted(self._move_to)))
            return
        # Without RFC 6851. No EXPUNGE: it would delete what other clients have marked.
        self._check(self._connection.uid("COPY", item.key, _quoted(self._move_to)))
        self._check(self._connection.uid("STORE", item.key, "+FLAGS.SILENT", r"(\Deleted)"))

    def _fetch(self, uid: int) -> bytes | None:
        """Return the beginning of a mail, leaving it unread. None if it is gone."""
        response = self._check(
            self._connection.uid("FETCH", str(uid), f"(BODY.PEEK[]<0.{MAX_BYTES}>)")
        )
        return next((part[1] for part in response if isinstance(part, tuple)), None)

    def _check(self, response: tuple[str, list[Any]]) -> list[Any]:
        status, data = response
        if status != "OK":
            reason = data[0].decode("ascii", "replace") if data and data[0] else "no reason given"
            raise MailboxError(f"{self.name}: {one_line(reason)}")
        return data


def _quoted(folder: str) -> str:
    escaped = folder.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _number(data: list[Any]) -> int:
    found = re.search(rb"\d+", data[-1] or b"0")
    return int(found[0]) if found else 0
