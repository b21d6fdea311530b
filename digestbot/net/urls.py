"""URLs: parse them, show them without secrets, and decide which redirects to follow."""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

from digestbot.net.errors import BadRedirect, NetError, Unreachable

ARXIV = "arxiv.org"
MAX_URL_CHARS = 8000
"""Longest URL that every recipient supports (RFC 9110 4.1)."""
_MAX_SHOWN_CHARS = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_INTERNAL_DOMAINS = frozenset({"localhost", "local", "internal", "lan", "home", "test", "invalid"})
"""Last labels of names that the public internet does not have (RFC 6761, RFC 6762)."""
_HARMLESS = frozenset(
    {"accept", "accept-language", "user-agent", "if-none-match", "if-modified-since"}
)
"""Headers that another host may see; any other may be a secret, such as an API key."""


def is_web_url(url: str) -> bool:
    """Return True for http and https URLs with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def is_arxiv(url: str) -> bool:
    """Return True on arXiv's own hosts, where its terms apply."""
    host = host_of(url)
    return host == ARXIV or host.endswith("." + ARXIV)


def is_internal(url: str) -> bool:
    """
    Return True if *url* names this machine or a private network, by its host alone.

    Names of the public internet have a dot and do not end in a number.
    """
    try:
        host = host_of(url)
    except NetError:
        return True
    name, _, last = host.rpartition(".")
    if ":" in host or last[:1].isdigit():
        return not _is_public_address(host)
    return not name or last in _INTERNAL_DOMAINS


def _is_public_address(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        return False


def host_of(url: str) -> str:
    """
    Return the host in lower case, with a trailing dot removed.

    Raises:
        Unreachable: The URL is invalid.
    """
    return (split_url(url).hostname or "").lower().rstrip(".")


def shown_url(url: str) -> str:
    """Return scheme, host, port and path. The other parts may be secret."""
    try:
        return shown_origin(url) + split_url(url).path
    except NetError:
        return "invalid URL"


def shown_origin(url: str) -> str:
    """Return scheme, host and port, for URLs with a secret path."""
    parts = split_url(url)
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def brief_url(url: str) -> str:
    """Return `shown_url`, cut to fit a message: a server may redirect to a URL of any length."""
    return shown_url(url)[:_MAX_SHOWN_CHARS]


def split_url(url: str) -> SplitResult:
    """
    Split *url* into its parts.

    Raises:
        Unreachable: The URL is invalid.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError for a port such as 99999
    except ValueError as error:
        raise Unreachable("invalid URL", arrived=False) from error
    return parts


def with_params(url: str, params: Mapping[str, str] | None) -> str:
    """
    Return *url* with *params* added to its query.

    Raises:
        Unreachable: The URL is invalid.
    """
    if not params:
        return url
    import httpx

    try:
        return str(httpx.URL(url).copy_merge_params(dict(params)))
    except httpx.InvalidURL as error:
        raise Unreachable("invalid URL", arrived=False) from error


def redirect_target(url: str, status: int, location: str | None, *, same_site: bool) -> str | None:
    """
    Return the absolute URL of a redirect; None for a final response.

    Args:
        url: The URL that answered.
        status: Its HTTP status.
        location: Its Location header.
        same_site: Refuse other sites; all hosts of arxiv.org are one site.

    Raises:
        BadRedirect: The target is invalid, on another site, or less secure.
    """
    if status not in _REDIRECTS or not location:
        return None
    source = brief_url(url)
    if len(location) > MAX_URL_CHARS:
        raise BadRedirect(f"{source} redirects to a URL of more than {MAX_URL_CHARS:,} characters")
    try:
        target = urljoin(url, location.strip())
        scheme = split_url(target).scheme
    except (ValueError, NetError) as error:
        raise BadRedirect(f"{source} redirects to an invalid URL") from error
    if scheme not in ("http", "https"):
        raise BadRedirect(f'{source} redirects to the scheme "{scheme[:20]}"')
    if not _is_sendable(target):
        raise BadRedirect(f"{source} redirects to an invalid URL")
    if scheme == "http" and split_url(url).scheme == "https":
        raise BadRedirect(f"{source} redirects from https to http: {brief_url(target)}")
    if same_site and not _is_same_site(url, target):
        origin = shown_origin(target)[:_MAX_SHOWN_CHARS]
        raise BadRedirect(f"{source} redirects to another site: {origin}")
    return target


def _is_sendable(url: str) -> bool:
    import httpx

    try:
        return bool(httpx.URL(url).host)
    except (httpx.InvalidURL, UnicodeError):  # UnicodeError: a host such as xn--zzz.example
        return False


def _is_same_site(one: str, other: str) -> bool:
    return host_of(one) == host_of(other) or (is_arxiv(one) and is_arxiv(other))


def headers_after_redirect(headers: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    """
    Return the headers for the next hop: all of them, or the harmless ones for another origin.

    The step from http to https on the same host keeps them: they stay with their recipient.
    """
    if shown_origin(old) == shown_origin(new) or _is_upgrade(split_url(old), split_url(new)):
        return dict(headers)
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


def _is_upgrade(old: SplitResult, new: SplitResult) -> bool:
    is_same_host = old.hostname is not None and old.hostname == new.hostname
    is_from_http = old.scheme == "http" and old.port in (None, 80)
    return is_same_host and is_from_http and new.scheme == "https" and new.port in (None, 443)
