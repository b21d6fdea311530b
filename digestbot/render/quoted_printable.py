"""
Quoted-printable fragments with fields to fill in later.

Fragments can be joined in any order. Each is quoted-printable (RFC 2045 6.7) with CRLF; it ends at
the end of a line and begins no line with a dot, so that joined fragments are a valid body which
SMTP's dot-stuffing leaves unchanged. A field holds the place of a text that differs from delivery
to delivery. In text it is written as a NUL, its name and a NUL; among fragments it is a NUL and its
name. Begin at `encode_fragments`.
"""

import re
from binascii import a2b_qp, b2a_qp
from collections.abc import Callable, Iterable, Mapping

from digestbot.model import Fragments

FIELD_MAX = 400
"""Octets reserved for each open field: enough for a token of 200 characters."""

_FIELD = re.compile("\x00([a-z_]+)\x00")
_OPEN = 0
_LINE = 76
_UNSAFE_LINE = re.compile(rb"(?m)^(?:(?:\.|From )[^\n]*|[^\n]{77,})\n")


def field(name: str) -> str:
    """Return the mark of field *name* in a text. Text from sources never contains NUL."""
    return f"\x00{name}\x00"


def encode_fragments(text: str, encoder: Callable[[str], bytes] | None = None) -> Fragments:
    """Split *text* at its fields and encode the rest (default: `encode`)."""
    encoder = encoder or encode
    if "\x00" not in text:
        return (encoder(text),) if text else ()
    return tuple(
        b"\x00" + part.encode("ascii") if at % 2 else encoder(part)
        for at, part in enumerate(_FIELD.split(text))
        if part
    )


def encode(text: str) -> bytes:
    """Encode *text* as one fragment. An open last line gets a soft line break."""
    # Fast path: most of what is written into a cached page is a few plain words.
    if (
        0 < len(text) < _LINE
        and text.isascii()
        and text.isprintable()
        and "=" not in text
        and text[0] not in ".F"
        and text[-1] != " "
    ):
        return text.encode("ascii") + b"=\r\n"
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = b2a_qp(text.encode("utf-8", "replace"))
    is_long = False
    if lines[-1:] != b"\n":
        is_long = len(lines) - lines.rfind(b"\n") > _LINE
        lines += b"=\n"
    # Spelled out rather than looped: this runs for each personal line of each mail.
    if (
        is_long
        or lines.startswith((b".", b"From "))
        or b"\n." in lines
        or b"\nFrom " in lines
        or b"=20\n" in lines
        or b"=09\n" in lines
    ):
        lines = _UNSAFE_LINE.sub(_safe_lines, lines)
    return lines.replace(b"\n", b"\r\n")


def _safe_lines(found: re.Match[bytes]) -> bytes:
    """
    Rewrite one line to start safely and to have at most 76 octets.

    SMTP doubles a dot at the start of a line (RFC 5321 4.5.2), and some mailboxes put ">" before
    "From " (RFC 2049 3), so the first character of both is written as its number. A line that ends
    in a space comes out of `b2a_qp` too long.
    """
    rest, done = found[0][:-1], []
    while rest.startswith((b".", b"From ")) or len(rest) > _LINE:
        first = b"=%02X" % rest[0] if rest.startswith((b".", b"From ")) else b""
        rest = rest[1:] if first else rest
        if len(first) + len(rest) <= _LINE:
            rest = first + rest
            break
        cut = _LINE - 1 - len(first)
        if first and rest.startswith((b".", b"From ")):
            cut = 0
        # Keep "=XX" whole.
        escape = rest.find(b"=", max(0, cut - 2), cut)
        cut = cut if escape < 0 else escape
        done.append(first + rest[:cut] + b"=")
        rest = rest[cut:]
    return b"".join(line + b"\n" for line in (*done, rest))


def decode(fragments: Iterable[bytes]) -> str:
    """Decode *fragments*, skipping open fields."""
    joined = b"".join(fragment for fragment in fragments if fragment[0] != _OPEN)
    return a2b_qp(joined).replace(b"\r\n", b"\n").decode("utf-8")


def fill_fields(fragments: Iterable[bytes], values: Mapping[str, Fragments]) -> Fragments:
    """Replace the fields named in *values*; others stay open."""
    done = list(fragments)
    for name, value in values.items():
        opened = b"\x00" + name.encode("ascii")
        # `list.index` beats a Python loop: a mail has a hundred fragments and few fields.
        while opened in done:
            at = done.index(opened)
            done[at : at + 1] = value
    return tuple(done)


def size(fragments: Iterable[bytes]) -> int:
    """Count the octets of *fragments*, with `FIELD_MAX` per open field."""
    return sum(len(fragment) if fragment[0] != _OPEN else FIELD_MAX for fragment in fragments)


def merge_fragments(fragments: Fragments) -> Fragments:
    """Join adjacent literal *fragments*; open fields stay separate."""
    done: list[bytes] = []
    begin = 0
    for at in [at for at, fragment in enumerate(fragments) if fragment[0] == _OPEN]:
        done += b"".join(fragments[begin:at]), fragments[at]
        begin = at + 1
    return tuple(filter(None, (*done, b"".join(fragments[begin:]))))
