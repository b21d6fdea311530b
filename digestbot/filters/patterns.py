"""RE2: expressions whose cost is linear in the text, whatever a person writes."""

from functools import lru_cache
from typing import Any

MAX_PROGRAM = 5000
"""
Steps that an expression may compile to, as ``.{600}`` does, and all of one filter together.

Each may cost 1 to 2 ns a character: the worst that anybody can write takes 10 ms a paper.
"""
MAX_MEMORY = 1 << 20
"""Bytes an expression may take, in which it is also compiled within 2 ms."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """
    The expression, ready to search.

    Raises:
        re2.error: Not RE2 syntax; look-around and back-references are not.
    """
    import re2

    options = re2.Options()
    options.log_errors = False  # it would write to stderr by itself
    options.max_mem = MAX_MEMORY
    return re2.compile(pattern, options)


def steps(pattern: str) -> int:
    """How many steps an expression that `check_pattern` let pass compiles to."""
    return int(compiled(pattern).programsize)


def check_pattern(pattern: str) -> str | None:
    """What is wrong with the expression, in RE2's words; None if nothing is."""
    import re2

    try:
        found = compiled(pattern)
    except UnicodeEncodeError:
        return "it holds half of a character"
    except re2.error as error:
        words = error.args[0] if error.args else "unknown fault"
        said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        return " ".join(said[:200].split())  # it repeats the expression
    if found.programsize > MAX_PROGRAM:
        return "it is too large; repeat less"
    if found.search("") is not None:
        return "it matches the empty text, so it would match every paper"
    return None
