"""
Passwords, tokens and webhook URLs, which must never be shown.

A `Secret` protects one value. `hide` and `masked` protect texts in which a value may turn up: a
server's answer, a driver's error, a URL. They keep the only state of this package outside a value,
since an error anywhere may contain what the config was filled with.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN_MIN = 3
"""Characters of the shortest text that `masked` hides: shorter ones are in every message."""
WORD_MAX = 7
"""Characters of the longest text that is hidden only as a whole word."""


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


class _Hidden:
    """The texts to hide in messages, as one expression."""

    pattern: re.Pattern[str] | None = None


def hide(values: Iterable[str]) -> None:
    """Hide exactly *values*, and the parts of those that are URLs, in what `masked` returns."""
    texts = {form for value in values for part in _parts(value) for form in _forms(part)}
    texts = {text for text in texts if len(text) >= HIDDEN_MIN}
    longest_first = sorted(texts, key=lambda text: (-len(text), text))
    expression = "|".join(map(_expression, longest_first))
    _Hidden.pattern = re.compile(expression, re.IGNORECASE) if expression else None


def masked(text: str) -> str:
    """Return *text* with ``***`` in place of what `hide` was given."""
    return _Hidden.pattern.sub("***", text) if _Hidden.pattern else text


def _parts(value: str) -> Iterator[str]:
    """Yield *value*, its lines, and if it is a URL the parts that messages show."""
    yield value.strip()
    yield from (line.strip() for line in value.splitlines())
    if "://" not in value:
        return
    try:
        parts = urlsplit(value.strip())
        yield from map(unquote, (parts.hostname or "", parts.username or "", parts.password or ""))
    except ValueError:
        return
    yield from (parts.path, parts.path.strip("/"), *parts.path.split("/"), parts.query)
    yield from (text for pair in parse_qsl(parts.query) for text in pair)


def _forms(text: str) -> tuple[str, ...]:
    """Return *text* as it may be written in a URL or a Python text."""
    return text, quote(text, safe=""), quote(text), unquote(text), repr(text)[1:-1]


def _expression(text: str) -> str:
    """Match *text*; a short one only between other than letters and digits."""
    exact = re.escape(text)
    if len(text) > WORD_MAX:
        return exact
    before = r"(?<![^\W_])" if text[0].isalnum() else ""
    after = r"(?![^\W_])" if text[-1].isalnum() else ""
    return f"{before}{exact}{after}"
