"""
Turn pydantic's errors into lines that say what is wrong, where, and what to do.

Works on errors as plain dicts, without pydantic. Also decides which values may be shown: no secret,
and nothing that came from the environment or a file. Begin at `flaws`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from digestbot.config.positions import Flaw, Steps, at, has, path_text, within
from digestbot.errors import DiscreetError

SECRET_KEYS = frozenset(
    {
        *("password", "token", "webhook", "store", "secret", "key", "token_command"),
        *("refresh_token", "client_secret"),
    }
)
"""Keys whose values are never shown; a store URL may contain a password."""

_EXPECTED = (
    ("string", "text"),
    ("int", "a whole number"),
    ("float", "a number"),
    ("finite_number", "a finite number"),
    ("bool", "true or false"),
    ("tuple", "a list"),
    ("list", "a list"),
    ("frozen_set", "a list"),
    ("set", "a list"),
    ("dict", "a mapping"),
    ("dataclass_type", "a mapping"),
    ("mapping", "a mapping"),
    ("date", "a date such as 2027-01-01"),
    ("duration", "a duration such as 7d, 90m or 1h30m"),
    ("time_delta", "a duration such as 7d, 90m or 1h30m"),
)
"""Prefixes of pydantic's error types, and the value that each one expects."""

_NO_VALUES = frozenset({"none", "no", "off", "never"})
"""Words written instead of an empty list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Data of the config, with the values that must stay hidden."""

    data: object
    hidden: Mapping[Steps, str | None]

    def is_hidden(self, steps: Steps) -> bool:
        """Return True if the value at *steps* must stay hidden."""
        inside = any(steps[: len(path)] == path for path in self.hidden)
        return inside or not SECRET_KEYS.isdisjoint(steps)

    def has_failed(self, steps: Steps) -> bool:
        """Return True if filling a value at, above or below *steps* has failed."""
        return any(text is None and _related(path, steps) for path, text in self.hidden.items())

    def gives_away(self, steps: Steps, message: str) -> bool:
        """Return True if *message* on the value at *steps* may reveal a hidden one."""
        below = (text for path, text in self.hidden.items() if path[: len(steps)] == steps)
        return self.is_hidden(steps) or any(_share_a_word(text or "", message) for text in below)

    def only_hidden(self, steps: Steps) -> Steps:
        """Return the steps to the only hidden value below *steps*, else *steps*."""
        below = [path for path in self.hidden if path[: len(steps)] == steps]
        return below[0] if len(below) == 1 else steps


def flaws(
    errors: Iterable[Mapping[str, Any]],
    sight: Sight,
    start: Steps,
    known: Callable[[Steps], Collection[str]],
) -> Iterator[Flaw]:
    """
    Yield the flaws that pydantic's *errors* describe.

    Args:
        errors: As returned by `ValidationError.errors`.
        sight: The whole data.
        start: Steps to the checked part.
        known: Returns the allowed keys of that part, or of a value nested in it.
    """
    seen = set[Steps]()
    for error in errors:
        if error["type"] == "is_instance_of":  # of a Secret: its other choice, text, has the error
            continue
        steps, at_key = _steps(sight, start, error)
        if error["type"] == "unexpected_keyword_argument":
            message = unknown("key", str(steps[-1]), steps[:-1], known(steps[len(start) : -1]))
            yield Flaw(steps=steps, message=message, at_key=True)
            continue
        flaw = _flaw(error, sight, steps, at_key)
        if flaw is not None and (steps not in seen or at_key):
            seen.add(steps)
            yield flaw


def unknown(what: str, name: str, where: Steps, known: Collection[str]) -> str:
    """Return ``unknown key "catgory" in digests.systems; did you mean "category"?``."""
    return f'unknown {what} "{clipped(name)}" {within(where)}{did_you_mean(name, known, what)}'


def did_you_mean(name: str, known: Collection[str], what: str) -> str:
    """Suggest the closest of *known*, or list a few."""
    near = get_close_matches(name.lower(), sorted(known), n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    few = ", ".join(sorted(known)) if len(known) <= 20 else ""
    return f"; known {what}s: {few}" if few else f"; no {what}s are defined" * (not known)


def clipped(text: object) -> str:
    """Return *text* on one line, shortened to 60 characters."""
    return re.sub(r"\s+|[\x00-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", " ", str(text))[:60]


def _steps(sight: Sight, start: Steps, error: Mapping[str, Any]) -> tuple[Steps, bool]:
    """
    Return the steps to *error*, and True if the key itself is wrong.

    Steps that pydantic adds (``[key]``, the name of a union member) are dropped; a missing key is
    kept.
    """
    steps = start
    for step in error["loc"]:
        if step == "[key]":
            return steps, True
        if not has(at(sight.data, steps), step) and error["type"] != "missing":
            break
        steps = (*steps, step)
    return steps, False


def _flaw(error: Mapping[str, Any], sight: Sight, steps: Steps, at_key: bool) -> Flaw | None:
    if error["type"] == "missing":
        message = f'missing key "{steps[-1]}" {within(steps[:-1])}'
        return Flaw(steps=steps[:-1], message=message)
    if sight.has_failed(steps):
        return None
    if error["type"] in {"value_error", "invalid_filter"}:
        return _custom(error["ctx"]["error"], sight, steps, at_key)
    return Flaw(steps=steps, message=_wrong_type(error, sight, steps))


def _custom(error: object, sight: Sight, steps: Steps, at_key: bool) -> Flaw:
    """Return a flaw with the validator's message, placed as precisely as it allows."""
    message = str(error)
    may_show = at_key or isinstance(error, DiscreetError)
    unknown_key = re.fullmatch(r'(unknown key ".*?")(;.*)?', message)
    if unknown_key:
        where = f" {within(steps[:-1])}"
        full = f"{unknown_key[1]}{where}{unknown_key[2] or ''}"
        return Flaw(steps=steps, message=full, at_key=True)
    if not may_show and sight.gives_away(steps, message):
        steps = sight.only_hidden(steps)
        message = "invalid value, not shown because all or part of it is secret"
    place = steps if at_key else _nearer(message, sight.data, steps)
    return Flaw(steps=place, message=f"{path_text(steps)}: {message}", at_key=at_key)


def _nearer(message: str, data: object, steps: Steps) -> Steps:
    """Return the steps to the value below *steps* that *message* names or quotes."""
    inside = at(data, steps)
    if not isinstance(inside, dict):
        return steps
    first = message.partition(" ")[0]
    if first in inside:
        return (*steps, first)
    quoted = set(re.findall(r'"([^"]*)"', message))
    for key, value in inside.items():
        if isinstance(value, list):
            places = [(*steps, key, n) for n, each in enumerate(value) if str(each) in quoted]
        else:
            places = [(*steps, key)] if str(value) in quoted else []
        if places:
            return places[0]
    return steps


def _wrong_type(error: Mapping[str, Any], sight: Sight, steps: Steps) -> str:
    value = error["input"]
    return f"{path_text(steps)} must be {_expected(error)}{_but_is(error, value, sight, steps)}"


def _expected(error: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    match kind:
        case "literal_error" | "enum":
            return f"one of {', '.join(_choices(error))}"
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "less_than_equal":
            return f"at most {context['le']}"
        case "too_short":
            return "a list with at least one value"
    return next((word for start, word in _EXPECTED if kind.startswith(start)), "something else")


def _choices(error: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", error["ctx"]["expected"])


def _but_is(error: Mapping[str, Any], value: object, sight: Sight, steps: Steps) -> str:
    """Describe the actual value, as far as it may be shown."""
    if value is None:
        return ", but is empty"
    if error["type"] == "too_short":
        return ""
    if isinstance(value, (dict, list)):
        return f", not a {'mapping' if isinstance(value, dict) else 'list'}"
    if sight.is_hidden(steps) or not steps:  # a file with a single text may itself be a secret
        return ""
    if isinstance(value, str):
        return f', not "{clipped(value)}"{_hint(error, value)}'
    shown = f", not {str(value).lower() if isinstance(value, bool) else clipped(value)}"
    return f"{shown}; put it in quotes" if error["type"] == "string_type" else shown


def _hint(error: Mapping[str, Any], value: str) -> str:
    if error["type"] in {"literal_error", "enum"}:
        near = get_close_matches(value.lower(), _choices(error), n=1)
        return f'; did you mean "{near[0]}"?' if near else ""
    if _expected(error) == "a list" and value.lower() in _NO_VALUES:
        return "; write []"
    if _expected(error) == "a list":
        return f"; write [{clipped(value)}]"
    return ""


def _related(path: Steps, steps: Steps) -> bool:
    """Return True if one path is a prefix of the other."""
    shorter = min(len(path), len(steps))
    return path[:shorter] == steps[:shorter]


def _share_a_word(text: str, message: str) -> bool:
    """Return True if *message* and *text* share a word; errs on the safe side."""
    text, message = text.lower(), message.lower()
    return bool(text) and (
        text in message or any(word in text for word in re.findall(r"\w{3,}", message))
    )
