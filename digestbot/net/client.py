"""
The HTTP client. Begin at `Client.get`.

httpx is imported with the first request, so that commands without network traffic start faster.
"""

import asyncio
import json as jsonlib
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from digestbot import __version__
from digestbot.net.allowed_hosts import AllowedHosts
from digestbot.net.cookies import ChainCookies
from digestbot.net.decompression import read_body
from digestbot.net.errors import BadEncoding, BadRedirect, ForbiddenAddress, Unreachable
from digestbot.net.http_status import BUSY, parse_retry_after
from digestbot.net.lookup import Lookup, look_up
from digestbot.net.pacing import Pacer, pace_group
from digestbot.net.reach import Reach
from digestbot.net.urls import (
    ARXIV,
    brief_url,
    headers_after_redirect,
    redirect_target,
    shown_origin,
    with_params,
)

if TYPE_CHECKING:
    import httpcore
    import httpx

PROJECT_URL = "https://github.com/digestbot/digestbot"
MAX_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
MAX_HEADER_CHARS = 8192
"""Characters kept of one response header; more is the usual limit of servers."""
MAX_PAUSE_S = 900.0
"""Limit of a busy server's Retry-After for its whole pacing group."""
MAX_REQUESTS = 100
"""Requests at a time. httpcore's own queue compares each waiting request with each connection:
with 1,000 sources it needs 50 s of CPU time."""
MAX_HOST_REQUESTS = 6
"""Requests at a time to one pacing group, as browsers do; they share connections."""
_PERMANENT = frozenset({301, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A server's response with any status."""

    status: int
    headers: Mapping[str, str]
    """
    Names in lower case; repeated headers are joined by a comma (RFC 9110 5.2).

    Values are cut after `MAX_HEADER_CHARS`.
    """
    body: bytes = field(repr=False)
    """Decompressed, otherwise unchanged; empty if a failure or redirect has an unreadable one."""
    url: str = field(repr=False)
    """The URL after all redirects: the base of relative links."""
    moved: bool = False
    """True if there were redirects and all were permanent (301, 308)."""
    is_private: bool = field(default=False, repr=False)
    """True if the server's address is other than public."""


def utc_now() -> datetime:
    """Return the current time, aware and in UTC."""
    return datetime.now(UTC)


@dataclass(kw_only=True, slots=True)
class Client:
    """
    HTTP client for ``async with``; one per event loop, shared by all callers.

    It honours the operator's proxy variables. Cookies last for one `get` with its redirects.
    Callers that retry wait through *sleep* and *jitter* and read the time from *clock*, so that
    tests can substitute them; likewise *lookup* and *backend* stand for the network.

    No redirect reaches a private network: each address is checked when the client connects to it
    (see `digestbot.net.reach`).
    """

    user_agent: str
    allowed: AllowedHosts = field(default_factory=AllowedHosts)
    """Private hosts that redirects may lead to."""
    pacer: Pacer | None = None
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    """Uniform in [0, 1)."""
    lookup: Lookup = look_up
    """Lookup of the addresses of a host."""
    backend: "httpcore.AsyncNetworkBackend | None" = None
    """Backend that opens connections to addresses; httpcore's by default."""
    _http: "httpx.AsyncClient | None" = field(default=None, init=False, repr=False)
    _slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(MAX_REQUESTS), init=False, repr=False
    )
    _host_slots: defaultdict[str, asyncio.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: asyncio.Semaphore(MAX_HOST_REQUESTS)),
        init=False,
        repr=False,
    )

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
        trusted: bool = True,
    ) -> Response:
        """
        Send a GET, follow redirects and return the response of any status.

        Each hop waits for the pacer first (outside of the timeouts) and may then take *total_s*.
        The long *read_s* is for arXiv, whose 503 arrives after 183 s.

        Args:
            url: http or https.
            params: Added to the query and encoded here.
            headers: Sent unchanged; on a redirect to another origin only those that cannot be
                secret, see `headers_after_redirect`.
            group: The pacer's group; by default that of the host, see `pace_group`.
            interval_s: Minimum time between the end of a request and the next in the group.
            hold_s: How long a request that never ends (a killed process) blocks the group. By
                default *total_s* for arXiv, which allows one connection only, else *interval_s*.
            max_bytes: Limit of the decompressed body.
            total_s: For one hop, from the connection to the last byte.
            connect_s: For the connection.
            read_s: Between two chunks of the response.
            same_site: Follow redirects within the same host (or within arxiv.org) only.
            trusted: True for a URL from the config, which may be private. False for one from a
                subscriber or a server: public addresses and the usual ports only.

        Raises:
            Unreachable, TooLarge, BadEncoding, BadRedirect.
            ForbiddenAddress: *url* or a redirect leads to a private network.
            NetworkSettingError: A proxy or certificate variable is invalid.
        """
        limits = _Limits(total_s=total_s, connect_s=connect_s, read_s=read_s, max_bytes=max_bytes)
        pace = _Pace(group=group, interval_s=interval_s, hold_s=hold_s)
        request = _Request(
            method="GET",
            url=with_params(url, params),
            headers=dict(headers or {}),
            limits=limits,
            reach=Reach.ANYWHERE if trusted else Reach.PUBLIC,
        )
        cookies = ChainCookies()
        permanent = True
        for hop in range(MAX_REDIRECTS + 1):
            response = await self._get_paced(request, cookies, pace)
            location = response.headers.get("location")
            target = redirect_target(response.url, response.status, location, same_site=same_site)
            if target is None:
                return replace(response, moved=hop > 0 and permanent)
            permanent = permanent and response.status in _PERMANENT
            request = request.redirected(target, from_private=response.is_private)
        raise BadRedirect(f"{brief_url(url)} redirects more than {MAX_REDIRECTS} times")

    async def post(
        self,
        url: str,
        *,
        content: bytes | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        total_s: float = 30.0,
        max_bytes: int = 256 * 1024,
        trusted: bool = True,
    ) -> Response:
        """
        Send *content* or *json* by POST and return the response of any status.

        It is not paced, and redirects are returned, not followed. Errors name the host only: the
        path of a webhook is a secret.

        Args:
            url: http or https.
            content: The body; give its ``content-type`` in *headers*.
            json: Encoded as the body if *content* is None.
            headers: Sent unchanged.
            total_s: From the connection to the last byte.
            max_bytes: Limit of the decompressed body of the response.
            trusted: As in `get`.

        Raises:
            Unreachable, TooLarge, BadEncoding.
            ForbiddenAddress: *url* leads to a private network.
            NetworkSettingError: A proxy or certificate variable is invalid.
        """
        limits = _Limits(total_s=total_s, connect_s=10.0, read_s=total_s, max_bytes=max_bytes)
        sent = dict(headers or {})
        if content is None:
            content = jsonlib.dumps(json, ensure_ascii=False).encode()
            sent.setdefault("content-type", "application/json; charset=utf-8")
        request = _Request(
            method="POST",
            url=url,
            headers=sent,
            content=content,
            limits=limits,
            reach=Reach.ANYWHERE if trusted else Reach.PUBLIC,
        )
        return await self._request(request, ChainCookies())

    async def _get_paced(
        self, request: "_Request", cookies: ChainCookies, pace: "_Pace"
    ) -> Response:
        group = pace.group or pace_group(request.url)
        async with self._host_slots[group]:
            if self.pacer is None:
                return await self._request(request, cookies)
            return await self._take_turn(self.pacer, group, request, cookies, pace)

    async def _take_turn(
        self, pacer: Pacer, group: str, request: "_Request", cookies: ChainCookies, pace: "_Pace"
    ) -> Response:
        pause_s = pace.interval_s
        await pacer.take(group, pace.interval_s, pace.hold(group, request.limits.total_s))
        try:
            response = await self._request(request, cookies)
            pause_s = max(pause_s, self._requested_pause_s(response))
            return response
        finally:
            await pacer.release(group, pause_s)

    def _requested_pause_s(self, response: Response) -> float:
        """Return the pause that a busy server requests, up to `MAX_PAUSE_S`."""
        if response.status not in BUSY:
            return 0.0
        wait_s = parse_retry_after(response.headers.get("retry-after"), self.clock())
        return min(wait_s or 0.0, MAX_PAUSE_S)

    async def _request(self, request: "_Request", cookies: ChainCookies) -> Response:
        """Make one request within its limits; translate every failure into a `NetError`."""
        import httpcore
        import httpx

        http = self._open()
        limits, shown = request.limits, request.shown
        try:
            built = _built(http, request, cookies)
            async with self._slots, asyncio.timeout(limits.total_s):
                received, body = await _exchange(http, built, limits, shown)
        except TimeoutError as error:
            cause = f"{shown}: no complete response within {limits.total_s:g} s"
            raise Unreachable(cause) from error
        except ForbiddenAddress as error:
            raise error.at(request.place) from error
        except (
            *(httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError),
            *(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError),
            *(httpcore.ProxyError, httpcore.UnsupportedProtocol),
        ) as error:
            raise _as_unreachable(error, shown) from error
        cookies.store(request.url, received.headers.get_list("set-cookie"), self.clock())
        return _response(received, body)

    def _open(self) -> "httpx.AsyncClient":
        if self._http is None:
            from digestbot.net.environment import open_http

            self._http = open_http(
                self.user_agent, allowed=self.allowed, lookup=self.lookup, backend=self.backend
            )
        return self._http


def _built(
    http: "httpx.AsyncClient", request: "_Request", cookies: ChainCookies
) -> "httpx.Request":
    import httpx

    from digestbot.net.transport import REACH

    limits = request.limits
    return http.build_request(
        request.method,
        request.url,
        headers=_with_cookies(request.headers, cookies.header(request.url)),
        content=request.content,
        timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s),
        extensions={REACH: request.reach},
    )


async def _exchange(
    http: "httpx.AsyncClient", request: "httpx.Request", limits: "_Limits", shown: str
) -> tuple["httpx.Response", bytes]:
    """Send *request*; return the response and its body."""
    from digestbot.net.interim_responses import limit_interim

    with limit_interim(shown):
        received = await http.send(request, stream=True, follow_redirects=False)
    try:
        encoding = received.headers.get("content-encoding", "")
        chunks = received.aiter_raw()
        body = await read_body(chunks, encoding, max_bytes=limits.max_bytes, shown=shown)
    except BadEncoding:
        if received.is_success:
            raise
        body = b""  # the status says enough
    finally:
        await received.aclose()
    return received, body


def _response(received: "httpx.Response", body: bytes) -> Response:
    from digestbot.net.connecting import IS_PRIVATE

    headers = dict(received.headers.items())
    if location := received.extensions.get("location"):
        headers["location"] = location
    return Response(
        status=received.status_code,
        headers={name.lower(): value[:MAX_HEADER_CHARS] for name, value in headers.items()},
        body=body,
        url=str(received.url),
        is_private=received.extensions[IS_PRIVATE],
    )


def _with_cookies(headers: Mapping[str, str], cookies: str | None) -> dict[str, str]:
    """Return *headers* with *cookies* after the caller's own."""
    if cookies is None:
        return dict(headers)
    own = [value for name, value in headers.items() if name.lower() == "cookie"]
    others = {name: value for name, value in headers.items() if name.lower() != "cookie"}
    return others | {"cookie": "; ".join([*own, cookies])}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    total_s: float
    connect_s: float
    read_s: float
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """One request of a chain."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None
    limits: _Limits
    reach: Reach
    came_from: str | None = None
    """The URL that redirected to this one."""

    @property
    def shown(self) -> str:
        """The URL as messages show it: the path of a webhook is a secret."""
        return brief_url(self.url) if self.method == "GET" else shown_origin(self.url)

    @property
    def place(self) -> str:
        """Beginning of a message about where this request leads."""
        if self.came_from is None:
            return f"{self.shown}: "
        return f"{brief_url(self.came_from)} redirects to {self.shown}, but "

    def redirected(self, target: str, *, from_private: bool) -> "_Request":
        """
        Return the request to the *target* of a redirect.

        A private server in the config may redirect within its own host. A public one may not:
        its name may have a private address by now.
        """
        reach = self.reach
        is_at_home = from_private and _is_same_host(self.url, target)
        if reach is Reach.ANYWHERE and not is_at_home:
            reach = Reach.ALLOWED
        headers = headers_after_redirect(self.headers, self.url, target)
        return replace(self, url=target, headers=headers, reach=reach, came_from=self.url)


def _is_same_host(one: str, other: str) -> bool:
    """Compare the hosts as httpx reads them, since it is httpx that connects."""
    import httpx

    return httpx.URL(one).raw_host == httpx.URL(other).raw_host


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
    """Return the User-Agent header. arXiv blocks by it, so it names a contact."""
    email = f"; mailto:{contact}" if contact else ""
    return f"digestbot/{__version__} (+{PROJECT_URL}{email})"


def _as_unreachable(error: Exception, shown: str) -> Unreachable:
    """Translate an error of httpx or httpcore, whose own text may contain full URLs."""
    import httpcore
    import httpx

    before_sending = (
        httpcore.ConnectError,
        httpcore.ConnectTimeout,
        httpcore.PoolTimeout,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
        httpcore.LocalProtocolError,
        httpx.UnsupportedProtocol,
        httpx.InvalidURL,
        UnicodeError,
    )
    return Unreachable(f"{shown}: {_cause(error)}", arrived=not isinstance(error, before_sending))


def _cause(error: Exception) -> str:
    import httpcore
    import httpx

    not_web = (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol)
    causes: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (httpcore.ConnectTimeout, "connection timed out"),
        (httpcore.TimeoutException, "no response in time"),
        (httpcore.ConnectError, f"connection failed ({_system_error(error)})"),
        (httpcore.ProxyError, "the proxy refused the connection"),
        (not_web, "not an http or https URL"),
        ((httpx.InvalidURL, UnicodeError), "invalid URL"),  # UnicodeError: an invalid IDNA host
        (httpcore.RemoteProtocolError, "the response was cut off or is not HTTP"),
        (httpcore.NetworkError, "connection lost"),
    )
    return next(
        (text for kind, text in causes if isinstance(error, kind)), f"{type(error).__name__}"
    )


def _system_error(error: Exception) -> str:
    """Return the operating system's message, such as an unknown host name."""
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__
