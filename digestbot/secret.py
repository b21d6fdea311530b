"""Passwords, tokens and webhook URLs, which must never be shown."""

import hmac
from collections.abc import Callable
from typing import Any, final
from urllib.parse import urlsplit


@final
class Secret:
    """
    Text that prints as ``***`` in messages, logs, tracebacks and dataclass reprs.

    It is not a ``str`` and not serializable to JSON, so that nothing writes it by accident;
    `reveal` returns the text.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text, for the call that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret must not be pickled")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: Callable[[object], Any]
    ) -> dict[str, Any]:
        """
        Tell pydantic to accept a string or a Secret.

        The schema is a plain dict, a documented form, so that this module does not import pydantic.
        """
        from_text = {"type": "function-after", "schema": handler(str)}
        from_text["function"] = {"type": "no-info", "function": cls}
        as_it_is = {"type": "is-instance", "cls": cls}
        return {"type": "union", "choices": [as_it_is, from_text]}


def is_private(url: str) -> bool:
    """Return True if a secret may be sent to *url*: it is https, or on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    is_local = host in ("localhost", "127.0.0.1", "::1")
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_local))
