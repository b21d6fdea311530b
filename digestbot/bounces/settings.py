"""The config key ``bounces:``."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from digestbot.oauth import OauthSettings
from digestbot.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncesSettings:
    """Mailbox that bounces and complaints arrive in: the config key ``bounces:``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    imap: str | None = None
    """Host name of an IMAP server; the connection always uses TLS."""
    port: int = 993
    """Port of the IMAP server, with TLS from the first byte."""
    username: str | None = None
    """User name for the login."""
    password: Secret | None = None
    """Password for the login; write `${IMAP_PASSWORD}` or `${file:PATH}`."""
    oauth: OauthSettings | None = None
    """Log in by XOAUTH2 instead of a password, as Google and Microsoft require; see `smtp.oauth`.
    Microsoft's scope is `https://outlook.office.com/IMAP.AccessAsUser.All offline_access`."""
    folder: str = "INBOX"
    """Folder of the account that bounces arrive in."""
    move_to: str | None = None
    """Folder to move processed bounces to; by default they stay and are marked as read."""
    ca_file: str | None = None
    """PEM file with certificate authorities to trust in addition to the system's."""
    timeout: timedelta = timedelta(seconds=30)
    """How long to wait for each response of the server."""
    maildir: str | None = None
    """Instead of `imap`: a folder in Maildir format, relative to the config."""
    interval: timedelta = timedelta(minutes=5)
    """Time between two passes while `serve` runs."""

    @property
    def place(self) -> str:
        """Name of the mailbox in the store and in messages."""
        return self.maildir or f"{self.username}@{self.imap}/{self.folder}"
