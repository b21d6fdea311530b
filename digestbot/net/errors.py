"""Errors of the HTTP client. Messages name the server and contain no secrets."""

from typing import Self

from digestbot.errors import DigestbotError, UsageError


class NetError(DigestbotError):
    """Base of all failures to get a usable response over HTTP."""


class Unreachable(NetError):
    """
    Failed connection: DNS, TLS, refusal, reset, timeout, or a truncated response.

    *arrived* is False only if the server certainly never saw the request.
    """

    def __init__(self, message: str, *, arrived: bool = True) -> None:
        self.arrived = arrived
        super().__init__(message)


class TooLarge(NetError):
    """Response body that exceeds the caller's limit after decompression."""


class BadEncoding(NetError):
    """Response body with an unsupported or corrupt content encoding."""


class BadRedirect(NetError):
    """Refused redirect: too many hops, another scheme or site, or https to http."""


class ForbiddenAddress(NetError):
    """
    URL of a server or a subscriber that leads to a private network; found before sending.

    *allow* is the entry of ``allowed_hosts`` that permits it; None if none does.
    """

    def __init__(self, reason: str, *, allow: str | None = None) -> None:
        self.reason = reason
        self.allow = allow
        advice = f'; to allow it, add "{allow}" to allowed_hosts in the config' if allow else ""
        super().__init__(f"{reason}{advice}")

    def at(self, place: str) -> Self:
        """Return the error with *place* before its reason."""
        return type(self)(f"{place}{self.reason}", allow=self.allow)


class NetworkSettingError(UsageError):
    """
    Environment variable that keeps the HTTP client from being built.

    It is the operator's error and affects every server alike, so it is not a `NetError`: retrying
    cannot help.
    """
