"""
Where returned mails arrive: a Maildir, an mbox file, a pipe, an IMAP account.

A box gives the mails that it has not given before and is told of each whether it was one of ours:
then it is marked as read, or moved; all others are left for a person. IMAP is spoken over TLS only,
and every wait on it has an end. Blocks; call it from a thread. Begin at `open_box`.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from digestbot.bounces.parsing import MAX_BYTES
from digestbot.errors import DeliveryError, MailboxError
from digestbot.oauth import OauthSettings, TokenSource, xoauth2
from digestbot.secret import Secret
from digestbot.status_codes import one_line

if TYPE_CHECKING:
    import imaplib

AT_ONCE: Final = 500
"""Mails of one look: what is beyond waits for the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncesSettings:
    """Where bounces and complaints arrive, the key ``bounces:`` of the config."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    imap: str | None = None
    """Name of an IMAP server; always with TLS."""
    port: int = 993
    """Its port, with TLS from the first byte."""
    username: str | None = None
    """Name to log in with."""
    password: Secret | None = None
    """Its password; write `${IMAP_PASSWORD}` or `${file:PATH}`."""
    oauth: OauthSettings | None = None
    """Log in by XOAUTH2 instead of a password, as Google and Microsoft want it; see `smtp.oauth`.
    Of Microsoft the scope is `https://outlook.office.com/IMAP.AccessAsUser.All offline_access`."""
    folder: str = "INBOX"
    """The folder of the account that they arrive in."""
    move_to: str | None = None
    """A folder for those that were understood; by default they stay and are marked as read."""
    ca_file: str | None = None
    """PEM file of the authorities to trust, beside those of the system."""
    timeout: timedelta = timedelta(seconds=30)
    """How long to wait for each answer of the server."""
    maildir: str | None = None
    """Instead of `imap`: a folder in Maildir form, relative to the config."""
    interval: timedelta = timedelta(minutes=5)
    """Between two looks while `serve` runs."""

    @property
    def place(self) -> str:
        """What the box is called in the store and in messages."""
        return self.maildir or f"{self.username}@{self.imap}/{self.folder}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One mail of a box."""

    key: str
    """The box's name for it."""
    raw: bytes
    """Its first `MAX_BYTES`."""
    mark: str
    """How far the box is read, once this one is dealt with."""


class Box(Protocol):
    """A place that mails arrive in; within ``with``."""

    name: str
    """See `BouncesSettings.place`."""

    def items(self, mark: str) -> Iterator[Item]:
        """Those that came after *mark*, in order, at most `AT_ONCE`."""

    def settle(self, item: Item, *, is_ours: bool) -> None:
        """Put a mail of ours aside; leave any other one as it is."""


def open_box(settings: BouncesSettings) -> AbstractContextManager[Box]:
    """
    The box of *settings*, connected when it is entered.

    Raises:
        MailboxError: It cannot be reached, or refuses the login; then or later.
    """
    if settings.maildir is not None:
        return contextlib.nullcontext(MaildirBox(Path(settings.maildir)))
    return _connected(settings)


def read_files(path: Path) -> Iterator[bytes]:
    """
    The mails of an mbox file, or the one mail that the file is; nothing is changed.

    Raises:
        MailboxError: It cannot be read.
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
    A folder in Maildir form (maildir(5)): what stands in ``new`` has not been looked at.

    What was looked at goes to ``cur``: ours as read, others as unread, for a person to see.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        if not (path / "new").is_dir() or not (path / "cur").is_dir():
            raise MailboxError(f"{path}: no Maildir: it has no folders new and cur")

    def items(self, mark: str) -> Iterator[Item]:
        """See `Box`; *mark* is not needed, since the folders tell."""
        try:
            files = sorted(f for f in (self._path / "new").iterdir() if not f.name.startswith("."))
            for file in files[:AT_ONCE]:
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
            return  # its owner was faster
        except OSError as error:
            raise MailboxError(f"{self.name}: cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _connected(settings: BouncesSettings) -> Iterator[Box]:
    """
    The account, logged in and its folder open; logged out at the end.

    Raises:
        MailboxError: With a reason in one line, never with the password or the server's echo of it.
    """
    name = settings.place
    context, token = _tls_context(settings), _token(settings, name)
    import imaplib  # here: most commands open no mailbox

    try:
        link = imaplib.IMAP4_SSL(
            settings.imap or "",
            settings.port,
            ssl_context=context,
            timeout=settings.timeout.total_seconds(),
        )
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message
        raise MailboxError(f"{name}: its certificate is not trusted: {why}") from error
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError(f"{name}: cannot be reached: {one_line(str(error))}") from error
    try:
        _log_in(link, settings, name, token)
        yield ImapBox(link, settings, name)
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError(f"{name}: {one_line(str(error))}") from error
    finally:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            link.logout()
        with contextlib.suppress(OSError):
            link.shutdown()


def _tls_context(settings: BouncesSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:
            raise MailboxError(f'cannot read "bounces.ca_file": {settings.ca_file}') from error
    return context


def _token(settings: BouncesSettings, name: str) -> Secret | None:
    """The access token, before anything is connected; None if a password logs in."""
    if settings.oauth is None:
        return None
    try:
        return asyncio.run(TokenSource(settings.oauth).token())
    except DeliveryError as error:
        raise MailboxError(f"{name}: {error}") from error


def _log_in(
    link: "imaplib.IMAP4_SSL", settings: BouncesSettings, name: str, token: Secret | None
) -> None:
    import imaplib

    username = settings.username or ""
    password = settings.password.reveal() if settings.password else ""
    # A refusal comes as a challenge with the reason, which is answered with nothing.
    answers = iter([xoauth2(username, token).encode()] if token else [])
    try:
        if token:
            link.authenticate("XOAUTH2", lambda challenge: next(answers, b""))
        else:
            link.login(username, password)
    except imaplib.IMAP4.abort:
        raise
    except (imaplib.IMAP4.error, UnicodeError):
        # Not chained and not quoted: servers may repeat the line that they refuse.
        advice = f'check "username" and "{"oauth" if token else "password"}" of "bounces"'
        raise MailboxError(f"{name}: refuses the login; {advice}") from None


class ImapBox:
    """
    One folder of an IMAP account (RFC 3501), read in the order of its UIDs.

    The mark is the folder's UIDVALIDITY and the last UID that was looked at: each mail is looked at
    once, and one that is not ours is not even marked as read.
    """

    def __init__(self, link: "imaplib.IMAP4_SSL", settings: BouncesSettings, name: str) -> None:
        self.name = name
        self._link = link
        self._move_to = settings.move_to
        self._ask(link.select(_quoted(settings.folder)))
        # Asked after the login: some servers say more then.
        self._can_move = b"MOVE" in self._ask(link.capability())[-1].upper().split()
        self._validity = _number(link.untagged_responses.get("UIDVALIDITY", [b"0"]))

    def items(self, mark: str) -> Iterator[Item]:
        """See `Box`."""
        validity, _, uid = mark.partition(":")
        last = int(uid) if validity == str(self._validity) else 0
        answer = self._ask(self._link.uid("SEARCH", f"UID {last + 1}:*"))
        found = sorted(int(word) for word in (answer[0] or b"").split())
        # "n:*" names the newest mail even if it is older than n (RFC 3501 section 6.4.8).
        for number in [number for number in found if number > last][:AT_ONCE]:
            raw = self._fetch(number)
            if raw is not None:
                yield Item(key=str(number), raw=raw, mark=f"{self._validity}:{number}")

    def settle(self, item: Item, *, is_ours: bool) -> None:
        """See `Box`."""
        if not is_ours:
            return
        self._ask(self._link.uid("STORE", item.key, "+FLAGS.SILENT", r"(\Seen)"))
        if self._move_to is None:
            return
        if self._can_move:
            self._ask(self._link.uid("MOVE", item.key, _quoted(self._move_to)))
            return
        # Without RFC 6851. No EXPUNGE: it would drop what others have marked.
        self._ask(self._link.uid("COPY", item.key, _quoted(self._move_to)))
        self._ask(self._link.uid("STORE", item.key, "+FLAGS.SILENT", r"(\Deleted)"))

    def _fetch(self, uid: int) -> bytes | None:
        """The beginning of a mail, without marking it as read; None if it has gone."""
        answer = self._ask(self._link.uid("FETCH", str(uid), f"(BODY.PEEK[]<0.{MAX_BYTES}>)"))
        return next((part[1] for part in answer if isinstance(part, tuple)), None)

    def _ask(self, answer: tuple[str, list[Any]]) -> list[Any]:
        word, data = answer
        if word != "OK":
            said = data[0].decode("ascii", "replace") if data and data[0] else "no reason given"
            raise MailboxError(f"{self.name}: {one_line(said)}")
        return data


def _quoted(folder: str) -> str:
    escaped = folder.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _number(words: list[Any]) -> int:
    found = re.search(rb"\d+", words[-1] or b"0")
    return int(found[0]) if found else 0
