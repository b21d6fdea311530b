"""
Cookies of one request chain (RFC 6265), each sent back only to the host that set it.

Some publishers, Springer and Nature among them, set a cookie on a redirect and redirect endlessly
without it. httpx has one jar for all requests, which `environment` switches off.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult

from digestbot.net.urls import host_of, split_url

MAX_COOKIES = 50
"""Per host (RFC 6265 6.1)."""
MAX_COOKIE_CHARS = 4096
"""Name, value and attributes of one cookie (RFC 6265 6.1)."""
MAX_HEADER_CHARS = 8192
"""Cookie header of one request: the usual limit of servers."""


@dataclass(frozen=True, slots=True)
class _Cookie:
    value: str
    path: str
    is_secure: bool

    def is_for(self, url: SplitResult) -> bool:
        return _is_within(url.path or "/", self.path) and (
            url.scheme == "https" or not self.is_secure
        )


@dataclass(frozen=True, slots=True)
class ChainCookies:
    """Cookies received during one request chain."""

    _by_host: dict[str, dict[str, _Cookie]] = field(default_factory=dict)

    def store(self, url: str, lines: Iterable[str], now: datetime) -> None:
        """
        Add the cookies of a response from *url*.

        A cookie that is too large, outside ASCII, or beyond `MAX_COOKIES` is ignored.

        Args:
            url: The URL that answered.
            lines: Its Set-Cookie headers.
            now: Decides which cookies have expired; an expired one deletes its namesake.
        """
        cookies = self._by_host.setdefault(host_of(url), {})
        for line in lines:
            if len(line) > MAX_COOKIE_CHARS or not (line.isascii() and line.isprintable()):
                continue
            pair, *rest = line.split(";")
            name, is_pair, value = (part.strip() for part in pair.partition("="))
            if not name or not is_pair:
                continue
            attributes = _attributes(rest)
            if _has_expired(attributes, now):
                cookies.pop(name, None)
            elif name in cookies or len(cookies) < MAX_COOKIES:
                cookies[name] = _Cookie(
                    value, _path(attributes, split_url(url)), "secure" in attributes
                )

    def header(self, url: str) -> str | None:
        """Return the Cookie header for a request to *url*, or None."""
        cookies = self._by_host.get(host_of(url), {})
        parts = split_url(url)
        pairs: list[str] = []
        left = MAX_HEADER_CHARS
        for name, cookie in cookies.items():
            pair = f"{name}={cookie.value}"
            if cookie.is_for(parts) and len(pair) + 2 <= left:
                pairs.append(pair)
                left -= len(pair) + 2
        return "; ".join(pairs) or None


def _attributes(parts: Iterable[str]) -> dict[str, str]:
    """Parse ``Path=/``, ``Secure`` and so on; the last of a name counts (RFC 6265 5.3)."""
    split = (part.partition("=") for part in parts)
    return {name.strip().lower(): value.strip() for name, _, value in split}


def _path(attributes: dict[str, str], url: SplitResult) -> str:
    """Return the Path attribute, or the directory of *url* (RFC 6265 5.1.4)."""
    path = attributes.get("path", "")
    if path.startswith("/"):
        return path
    return url.path[: url.path.rfind("/")] or "/"


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _has_expired(attributes: dict[str, str], now: datetime) -> bool:
    """Return True for a cookie to delete; Max-Age wins over Expires (RFC 6265 5.3)."""
    age = attributes.get("max-age", "")
    if age.removeprefix("-").isdecimal():
        return age.startswith("-") or not age.strip("0")
    try:
        expires = parsedate_to_datetime(attributes.get("expires", ""))
    except (ValueError, OverflowError):
        return False
    return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)) <= now
