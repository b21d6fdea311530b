"""RE2 expressions, whose cost is linear in the text for any pattern."""

from functools import lru_cache
from typing import Any

MAX_PROGRAM = 5000
"""
Maximum of compiled steps for one expression (``.{600}`` reaches it) and for all of one filter.

Each may cost 1 to 2 ns per character, so the worst filter takes 10 ms per paper.
"""
MAX_MEMORY = 1 << 20
"""Maximum bytes of a compiled expression; within it, compilation takes at most 2 ms."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """
    Compile the expression.

    Raises:
        re2.error: *pattern* is not RE2 syntax, which excludes look-around and back-references.
    """
    import re2

    options = re2.Options()
    options.log_errors = False  # RE2 logs to stderr by default
    options.max_mem = MAX_MEMORY
    return re2.compile(pattern, options)


def steps(pattern: str) -> int:
    """Return the number of compiled steps of a pattern that `check_pattern` accepted."""
    return int(compiled(pattern).programsize)


def check_pattern(pattern: str) -> str | None:
    """Return the problem with the expression. None if it is valid."""
    import re2

    try:
        found = compiled(pattern)
    except UnicodeEncodeError:
        return "it contains half of a surrogate pair"
    except re2.error as error:
        cause = error.args[0] if error.args else "unknown error"
        text = cause.decode("utf-8", "replace") if isinstance(cause, bytes) else str(cause)
        return " ".join(text[:200].split())  # RE2 repeats the whole expression
    if found.programsize > MAX_PROGRAM:
        return "it is too large; use smaller repetitions"
    if found.search("") is not None:
        return "it matches the empty text and so every paper"
    return None
