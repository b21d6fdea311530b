"""
How digestbot behaves towards other people's servers: one client, its manners, its limits.

It knows HTTP and nothing of papers. Begin at `Client.get`. httpx is imported when the first
request is made, so that commands without a network do not pay for it.
"""

import asyncio
import json as jsonlib
import logging
import random
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from digestbot import __version__
from digestbot.errors import DigestbotError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

PROJECT_URL = "https://github.com/digestbot/digestbot"
MAX_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
MAX_RETRY_AFTER_S = 86_400.0
MAX_REST_S = 900.0
"""How long one answer of a busy server can stop its whole group."""
ARXIV = "arxiv.org"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PERMANENT = frozenset({301, 308})
_BUSY = frozenset({429, 503})
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


class NetError(DigestbotError):
    """No usable answer over HTTP; the text names the server but no secret."""


class Unreachable(NetError):
    """
    The link failed: name, TLS, refusal, reset, time-out, or an answer cut off.

    *arrived* is False only if the server surely never saw the request.
    """

    def __init__(self, message: str, *, arrived: bool = True) -> None:
        self.arrived = arrived
        super().__init__(message)


class TooLarge(NetError):
    """The body, unpacked, is larger than the caller allows."""


class Garbled(NetError):
    """The body is packed in a way we did not ask for, or not as it claims."""


class BadRedirect(NetError):
    """A redirect we do not follow: too many, to another scheme or site, or from https to http."""


class Pacer(Protocol):
    """
    Spaces the requests to one group of hosts, over all processes that share it.

    The store implements it on the database, so that two processes or a restart keep arXiv's terms.
    """

    async def take(self, group: str, interval_s: float, hold_s: float) -> None:
        """
        Return when this process may start one request to *group*.

        Another may start *hold_s* later, unless `release` says otherwise before.
        """

    async def release(self, group: str, interval_s: float) -> None:
        """The request has ended: the next may start *interval_s* from now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; repeated headers joined by a comma (RFC 9110 5.2)."""
    body: bytes = field(repr=False)
    """Unpacked, untouched otherwise."""
    url: str = field(repr=False)
    """The address that answered in the end: the base of relative links."""
    moved: bool = False
    """All redirects on the way were permanent (301, 308), and there was one."""


def utc_now() -> datetime:
    """The moment, aware and in UTC."""
    return datetime.now(UTC)


@dataclass(kw_only=True, slots=True)
class Client:
    """
    An HTTP client for ``async with``; one per event loop, shared by all who ask.

    The owner's proxy variables apply. No cookies are kept. Every wait of those who retry goes
    through *sleep* and *jitter*, every reading of the clock through *clock*, so that a test can
    hand in its own.
    """

    user_agent: str
    pacer: Pacer | None = None
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    """Uniform in [0, 1)."""
    _http: "httpx.AsyncClient | None" = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def get(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        group: str | None = None,
        interval_s: float = 0.0,
        hold_s: float | None = None,
        max_bytes: int = MAX_BYTES,
        total_s: float = 240.0,
        connect_s: float = 10.0,
        read_s: float = 200.0,
        same_site: bool = False,
    ) -> Answer:
        """
        The answer to a GET, with any status but a redirect that can be followed.

        Each hop waits its turn with the pacer (outside of the time-outs) and has *total_s* to
        itself. The long *read_s* is for arXiv, whose 503 arrives after 183 s.

        Args:
            url: http or https.
            params: Added to the query; encoded here, never pasted by the caller.
            headers: Sent as they are; credentials are not carried to another host.
            group: The pacer's group; by default that of the host, see `pace_group`.
            interval_s: Least time between the end of a request and the next in the group.
            hold_s: How long a request that never ends (a killed process) holds the group. By
                default *total_s* for arXiv, which allows one connection only, else *interval_s*.
            max_bytes: Limit of the unpacked body.
            total_s: For one request, from the connection to the last byte.
            connect_s: For the connection.
            read_s: Between two pieces of the answer.
            same_site: Follow redirects within the same host (or within arxiv.org) only.

        Raises:
            Unreachable, TooLarge, Garbled, BadRedirect.
        """
        limits = _Limits(total_s=total_s, connect_s=connect_s, read_s=read_s, max_bytes=max_bytes)
        pace = _Pace(group=group, interval_s=interval_s, hold_s=hold_s)
        asked = _with_params(url, params)
        carried = dict(headers or {})
        permanent = True
        for hop in range(MAX_REDIRECTS + 1):
            answer = await self._paced("GET", asked, carried, None, limits, pace)
            target = _redirect_target(answer, same_site=same_site)
            if target is None:
                return replace(answer, moved=hop > 0 and permanent)
            permanent = permanent and answer.status in _PERMANENT
            carried = _carried(carried, asked, target)
            asked = target
        raise BadRedirect(f"{shown_url(url)} redirects more than {MAX_REDIRECTS} times")

    async def post(
        self,
        url: str,
        *,
        content: bytes | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        total_s: float = 30.0,
        max_bytes: int = 256 * 1024,
    ) -> Answer:
        """
        The answer to a POST of *content* or of *json*; redirects are answers, not followed.

        Not paced. Messages name the host only: the path of a webhook is a secret.

        Raises:
            Unreachable, TooLarge, Garbled.
        """
        limits = _Limits(total_s=total_s, connect_s=10.0, read_s=total_s, max_bytes=max_bytes)
        sent = dict(headers or {})
        if content is None:
            content = jsonlib.dumps(json, ensure_ascii=False).encode()
            sent.setdefault("content-type", "application/json; charset=utf-8")
        return await self._bounded("POST", url, sent, content, limits)

    async def _paced(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        limits: "_Limits",
        pace: "_Pace",
    ) -> Answer:
        if self.pacer is None:
            return await self._bounded(method, url, headers, content, limits)
        group = pace.group or pace_group(url)
        rest_s = pace.interval_s
        await self.pacer.take(group, pace.interval_s, pace.hold(group, limits.total_s))
        try:
            answer = await self._bounded(method, url, headers, content, limits)
            rest_s = max(rest_s, self._asked_rest(answer))
            return answer
        finally:
            await self.pacer.release(group, rest_s)

    def _asked_rest(self, answer: Answer) -> float:
        """How long a busy server wants everybody to stay away; the other sources wait too."""
        if answer.status not in _BUSY:
            return 0.0
        asked = parse_retry_after(answer.headers.get("retry-after"), self.clock())
        return min(asked or 0.0, MAX_REST_S)

    async def _bounded(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        limits: "_Limits",
    ) -> Answer:
        """One request within *limits*; whatever breaks comes out as one of our errors."""
        import httpx

        shown = shown_url(url) if method == "GET" else shown_origin(url)
        try:
            async with asyncio.timeout(limits.total_s):
                return await self._once(method, url, headers, content, limits, shown)
        except TimeoutError as error:
            cause = f"{shown}: no whole answer within {limits.total_s:g} s"
            raise Unreachable(cause) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _as_unreachable(error, shown) from error

    async def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        limits: "_Limits",
        shown: str,
    ) -> Answer:
        import httpx

        http = self._open()
        timeout = httpx.Timeout(limits.read_s, connect=limits.connect_s)
        request = http.build_request(method, url, headers=headers, content=content, timeout=timeout)
        response = await http.send(request, stream=True, follow_redirects=False)
        try:
            return Answer(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=await _body(response, limits.max_bytes, shown),
                url=str(response.url),
            )
        finally:
            await response.aclose()
            http.cookies.clear()

    def _open(self) -> "httpx.AsyncClient":
        if self._http is None:
            import httpx

            # Below WARNING both print whole addresses and headers, and those hold secrets.
            for name in ("httpx", "httpcore"):
                logging.getLogger(name).setLevel(logging.WARNING)
            headers = {"user-agent": self.user_agent, "accept-encoding": "gzip"}
            self._http = httpx.AsyncClient(headers=headers)
        return self._http


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    total_s: float
    connect_s: float
    read_s: float
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    group: str | None
    interval_s: float
    hold_s: float | None

    def hold(self, group: str, total_s: float) -> float:
        if self.hold_s is not None:
            return self.hold_s
        return total_s if group == ARXIV else self.interval_s


def user_agent(contact: str | None = None) -> str:
    """Who we are, and whom to write to if we misbehave (arXiv argues blocks by this line)."""
    mail = f"; mailto:{contact}" if contact else ""
    return f"digestbot/{__version__} (+{PROJECT_URL}{mail})"


def is_arxiv(url: str) -> bool:
    """Whether *url* leads to one of arXiv's own hosts, whose terms then apply."""
    host = _host(url)
    return host == ARXIV or host.endswith("." + ARXIV)


def pace_group(url: str) -> str:
    """
    What shares one pace with *url*: ``arxiv.org`` for all of arXiv's hosts, else host and port.

    The terms count export.arxiv.org, rss.arxiv.org and oaipmh.arxiv.org together.
    """
    if is_arxiv(url):
        return ARXIV
    parts = _split(url)
    default = 443 if parts.scheme == "https" else 80
    return f"{_host(url)}:{parts.port or default}"


def shown_url(url: str) -> str:
    """*url* as it may be shown: without user, password, query and fragment, which hold secrets."""
    try:
        return shown_origin(url) + _split(url).path
    except NetError:
        return "an address that cannot be read"


def shown_origin(url: str) -> str:
    """Scheme, host and port of *url* only, for addresses whose path is a secret."""
    parts = _split(url)
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """
    Seconds to wait, from a Retry-After of seconds or of an HTTP date (RFC 9110 10.2.3).

    At most a day and at least 0; None if there is no header or nobody could read it.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read here, because it is the port that may be nonsense
    except ValueError as error:
        raise Unreachable("an address that cannot be read", arrived=False) from error
    return parts


def _host(url: str) -> str:
    return (_split(url).hostname or "").lower().rstrip(".")


def _with_params(url: str, params: Mapping[str, str] | None) -> str:
    if not params:
        return url
    import httpx

    try:
        return str(httpx.URL(url).copy_merge_params(dict(params)))
    except httpx.InvalidURL as error:
        raise Unreachable("an address that cannot be read", arrived=False) from error


def _redirect_target(answer: Answer, *, same_site: bool) -> str | None:
    """Where *answer* sends us, or None if it is itself the end; refuses what we do not follow."""
    location = answer.headers.get("location")
    if answer.status not in _REDIRECTS or not location:
        return None
    source = shown_url(answer.url)
    try:
        target = urljoin(answer.url, location.strip())
        scheme = _split(target).scheme
    except (ValueError, NetError) as error:
        raise BadRedirect(f"{source} redirects to an address that cannot be read") from error
    if scheme not in ("http", "https"):
        raise BadRedirect(f'{source} redirects to the scheme "{scheme}"')
    if scheme == "http" and _split(answer.url).scheme == "https":
        raise BadRedirect(f"{source} redirects from https to http: {shown_url(target)}")
    if same_site and not _is_same_site(answer.url, target):
        raise BadRedirect(f"{source} redirects to another site: {shown_origin(target)}")
    return target


def _is_same_site(one: str, other: str) -> bool:
    return _host(one) == _host(other) or (is_arxiv(one) and is_arxiv(other))


def _carried(headers: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    """The headers for the next hop: no credentials for another host or port."""
    if shown_origin(old) == shown_origin(new):
        return dict(headers)
    return {name: value for name, value in headers.items() if name.lower() not in _CREDENTIALS}


async def _body(response: "httpx.Response", max_bytes: int, shown: str) -> bytes:
    """
    The unpacked body, never more than *max_bytes* of it in memory.

    httpx would inflate each piece of the network whole: 194 KB of gzip made 200 MB at once. So the
    raw bytes are inflated here, with a limit.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise Garbled(f"{shown} answered packed as {encoding[:20]!r}, which we did not ask for")
    inflate = _Inflater(max_bytes) if _ENCODINGS[encoding] else _Plain(max_bytes)
    raw = 0
    async for piece in response.aiter_raw():
        raw += len(piece)
        if raw > max_bytes or not inflate.feed(piece, shown):
            raise TooLarge(f"{shown} answered with more than {max_bytes:,} bytes")
    return inflate.finish(shown)


# Whether it is packed with zlib. "identity" is what servers say that are told nothing else.
_ENCODINGS = {"": False, "identity": False, "gzip": True, "x-gzip": True, "deflate": True}


class _Plain:
    """Collects bytes up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()

    def feed(self, piece: bytes, shown: str) -> bool:
        """Take *piece*; False if the limit is passed."""
        self._body += piece
        return len(self._body) <= self._limit

    def finish(self, shown: str) -> bytes:
        """All of it."""
        return bytes(self._body)


class _Inflater(_Plain):
    """Inflates gzip or zlib up to a limit; a stream of several members is one body."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._zlib = zlib.decompressobj(wbits=47)
        self._started = False

    def feed(self, piece: bytes, shown: str) -> bool:
        """Inflate *piece*; False if the limit is passed."""
        try:
            while piece and len(self._body) <= self._limit:
                piece = self._inflated(piece)
        except zlib.error as error:
            raise Garbled(f"{shown} answered with a broken gzip stream") from error
        return len(self._body) <= self._limit

    def _inflated(self, piece: bytes) -> bytes:
        """Inflate as much of *piece* as the limit allows; what is left of it."""
        if self._zlib.eof:
            if piece[0] != 0x1F:  # zeros after the last member are padding (gzip manual)
                return b""
            self._zlib = zlib.decompressobj(wbits=47)
        self._started = True
        room = self._limit + 1 - len(self._body)
        self._body += self._zlib.decompress(piece, room)
        return self._zlib.unused_data or self._zlib.unconsumed_tail

    def finish(self, shown: str) -> bytes:
        """All of it, if the stream came to its end."""
        if self._started and not self._zlib.eof:
            raise Garbled(f"{shown} answered with a gzip stream that is cut off")
        return bytes(self._body)


def _as_unreachable(error: Exception, shown: str) -> Unreachable:
    """*error* of httpx in our words; its own text can hold whole addresses."""
    import httpx

    before = (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
        httpx.InvalidURL,
    )
    return Unreachable(f"{shown}: {_cause(error)}", arrived=not isinstance(error, before))


def _cause(error: Exception) -> str:
    import httpx

    causes: tuple[tuple[type[Exception], str], ...] = (
        (httpx.ConnectTimeout, "no connection in time"),
        (httpx.TimeoutException, "no answer in time"),
        (httpx.ConnectError, f"no connection ({_system_error(error)})"),
        (httpx.ProxyError, "the proxy refused"),
        (httpx.UnsupportedProtocol, "not an http or https address"),
        (httpx.InvalidURL, "an address that cannot be read"),
        (httpx.RemoteProtocolError, "the answer broke off or was no HTTP"),
        (httpx.NetworkError, "the connection broke"),
    )
    return next(
        (text for kind, text in causes if isinstance(error, kind)), f"{type(error).__name__}"
    )


def _system_error(error: Exception) -> str:
    """The operating system's words for a connection that failed, such as a name not found."""
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
