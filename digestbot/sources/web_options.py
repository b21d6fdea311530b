"""
Keys that every kind of source on the web can have: headers, cookies and a user agent.

A kind of source inherits from `WebOptions`, sends `WebOptions.request_headers` with each request,
and gives its parsers `WebOptions.without_secrets`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from digestbot.errors import DiscreetError
from digestbot.secret import Secret

MAX_CHARS = 8192
"""Maximum characters of all headers, and of all cookies: the usual limit of servers."""
MAX_USER_AGENT_CHARS = 512
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
"""Name of a header or a cookie (RFC 9110 5.6.2, RFC 6265 4.1.1)."""
_OTHER_KEYS = {"cookie": "cookies", "user-agent": "user_agent"}
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "if-modified-since"}
    | {"if-none-match", "keep-alive", "proxy-authorization", "range", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
"""Headers that the HTTP client sets, or whose responses it could not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """Headers that a source sends with its requests; a redirect to another host gets no secret."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    headers: dict[str, Secret] = field(default_factory=dict)
    """Request headers, such as an API key; sent to the host of the URL only."""
    cookies: dict[str, Secret] = field(default_factory=dict)
    """Cookies by name; sent to the host of the URL only."""
    user_agent: str | None = None
    """User-Agent header; by default digestbot with its version and your `contact`."""

    def __post_init__(self) -> None:
        """Check the keys; a subclass that checks more calls this first."""
        for name, value in self.headers.items():
            _check_header(name, value)
        for name, value in self.cookies.items():
            _check_cookie(name, value)
        _check_length("headers", self.headers)
        _check_length("cookies", self.cookies)
        agent = self.user_agent
        if agent is not None and (not _is_sendable(agent) or len(agent) > MAX_USER_AGENT_CHARS):
            limit = f"at most {MAX_USER_AGENT_CHARS} characters of ASCII"
            raise ValueError(f"user_agent must be one line of {limit}")

    def request_headers(self) -> dict[str, str]:
        """Return the headers of each request, by lower-case name."""
        found = {name.lower(): value.reveal().strip() for name, value in self.headers.items()}
        if self.user_agent is not None:
            found["user-agent"] = self.user_agent
        if self.cookies:
            found["cookie"] = "; ".join(f"{k}={v.reveal()}" for k, v in self.cookies.items())
        return found

    def without_secrets(self) -> Self:
        """Return the options for another process: a `Secret` cannot be sent there."""
        return replace(self, headers={}, cookies={})


def _check_header(name: str, value: Secret) -> None:
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        raise ValueError(f'headers: "{name[:60]}" is not the name of a header')
    if lower in _OTHER_KEYS:
        raise ValueError(f'headers: write "{_OTHER_KEYS[lower]}:" instead of "{name}"')
    if lower in _OURS:
        raise ValueError(f'headers: digestbot itself sets "{name}"; remove it')
    if not _is_sendable(value.reveal()):
        raise DiscreetError(f'headers: the value of "{name}" must be one line of ASCII')


def _check_cookie(name: str, value: Secret) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f'cookies: "{name[:60]}" is not the name of a cookie')
    text = value.reveal()
    if ";" in text or (text and not _is_sendable(text)):
        raise DiscreetError(f'cookies: the value of "{name}" must be ASCII without ";"')


def _check_length(key: str, values: Mapping[str, Secret]) -> None:
    if sum(len(name) + len(value.reveal()) + 4 for name, value in values.items()) > MAX_CHARS:
        raise ValueError(f"{key} must have at most {MAX_CHARS:,} characters altogether")


def _is_sendable(text: str) -> bool:
    return text.isascii() and text.isprintable() and bool(text.strip())
