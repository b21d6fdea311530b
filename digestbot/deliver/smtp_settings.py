"""Settings of the mail server: the config key ``smtp:``."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final, Literal

from digestbot.addresses import check_address, check_mailbox
from digestbot.deliver.dkim import DkimSettings
from digestbot.deliver.verp import TOKEN, bounce_address, token
from digestbot.errors import InvalidAddress, Misconfigured
from digestbot.oauth import OauthSettings
from digestbot.secret import Secret

TLS_PORT: Final = 465
"""Port for TLS from the first byte (RFC 8314 3.3)."""
_DEFAULT_PORTS = {"none": 25, "starttls": 587, "tls": TLS_PORT}
_HELO = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Za-z:.]{2,60}\]")


def is_helo(name: str) -> bool:
    """Return True for a host name or an address literal, the arguments of EHLO."""
    return _HELO.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """Your mail server: the config key ``smtp:``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    host: str = "localhost"
    """Host name or IP address of the mail server."""
    port: int | None = None
    """By default 25 for `none`, 587 for `starttls`, 465 for `tls`."""
    security: Literal["none", "starttls", "tls"] = "starttls"
    """`tls` from the first byte (preferred), `starttls` (required, never skipped), or `none`."""
    username: str | None = None
    """User name for the login; leave it out to send without a login."""
    password: Secret | None = None
    """Password for the login; write `${SMTP_PASSWORD}` or `${file:PATH}`."""
    oauth: OauthSettings | None = None
    """Log in by XOAUTH2 instead of a password, as Google and Microsoft require; needs TLS."""
    sender: str = "Digests <digests@localhost>"
    """The From header of the digests: a name and an address."""
    envelope_from: str | None = None
    """Where bounces go (RFC 5321 MAIL FROM); the address of `sender` by default. In
    `bounces+{token}@example.org` each delivery gets its own signed token (VERP)."""
    secret: Secret | None = None
    """Signs the tokens of `envelope_from`; 16 characters or more. Never change it."""
    dkim: DkimSettings | None = None
    """Sign every mail with DKIM (RFC 6376), unless your mail server does it."""
    insecure: bool = False
    """Allow a login without TLS, which sends the password in clear text."""
    ca_file: str | None = None
    """PEM file with certificate authorities to trust in addition to the system's."""
    verify: bool = True
    """Check the server's certificate and name; with `false`, anyone in between can read the
    mail."""
    helo: str | None = None
    """Name for EHLO (RFC 5321 4.1.1.1): a host name that resolves to this machine. By default its
    own name if that resolves, else its IP address in brackets."""
    timeout: timedelta = timedelta(seconds=60)
    """How long to wait for the connection and for each reply."""
    final_timeout: timedelta = timedelta(minutes=10)
    """How long to wait for the reply to the whole message (RFC 5321 4.5.3.2.6: 10 minutes); a
    shorter wait causes duplicates."""
    max_connections: int = 2
    """Largest number of connections at a time."""
    messages_per_connection: int = 100
    """Messages to send over one connection before opening another."""
    domain_connections: int = 2
    """Largest number of connections at a time for recipients at one domain."""
    per_minute: int = 0
    """Messages a minute, spread evenly; 0 means unlimited."""
    domain_per_minute: int = 0
    """Messages a minute for recipients at one domain, spread evenly; 0 means unlimited. Other
    domains are not delayed."""

    @property
    def effective_port(self) -> int:
        """Port to connect to."""
        return self.port if self.port is not None else _DEFAULT_PORTS[self.security]

    @property
    def has_tokens(self) -> bool:
        """True if each delivery has a separate, signed bounce address."""
        return bool(self.secret and self.envelope_from and TOKEN in self.envelope_from)

    def token(self, delivery_id: int) -> str:
        """Return the delivery's token for use in addresses; ``none`` if no secret is set."""
        return token(delivery_id, self.secret.reveal()) if self.secret else "none"

    def bounce_address(self, delivery_id: int) -> str:
        """
        Return the delivery's envelope sender.

        Raises:
            Misconfigured: `envelope_from` or `sender` is not an address, or there is a token and no
                `secret` to sign it.
        """
        try:
            if self.envelope_from is None:
                return check_mailbox(self.sender).address
            if TOKEN not in self.envelope_from:
                return check_address(self.envelope_from)
            if not self.secret:
                raise Misconfigured(
                    '"smtp.envelope_from" has a token: set "smtp.secret" to sign it'
                )
            return bounce_address(self.envelope_from, delivery_id, self.secret.reveal())
        except InvalidAddress as error:
            key = "sender" if self.envelope_from is None else "envelope_from"
            raise Misconfigured(f'"smtp.{key}" is not an address: {error}') from error
