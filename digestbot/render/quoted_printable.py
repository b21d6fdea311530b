"""
Text as a message carries it: encoded in pieces that can be joined in any order, and open fields.

A piece is quoted-printable (RFC 2045 6.7) with CRLF, ends at a line's end and begins no line with
a dot, so that joined pieces are a valid body and the dots of SMTP change none of it. What differs
from delivery to delivery stands in the text as a field and is a piece of its own until it is filled
in: a NUL and the field's name. Begin at `encode_fragments`.
"""

import re
from binascii import a2b_qp, b2a_qp
from collections.abc import Callable, Iterable, Mapping

from digestbot.model import Fragments

FIELD_MAX = 400
"""Octets that are kept free for each open field: a token of 200 letters, and more."""

_FIELD = re.compile("\x00([a-z_]+)\x00")
_OPEN = 0
_LINE = 76
_ODD = re.compile(rb"(?m)^(?:(?:\.|From )[^\n]*|[^\n]{77,})\n")


def field(name: str) -> str:
    """What stands in a text where *name* is filled in later. No text of a stranger's has a NUL."""
    return f"\x00{name}\x00"


def encode_fragments(text: str, encode: Callable[[str], bytes] | None = None) -> Fragments:
    """*text* in pieces: what stands between its fields, by *encode* or `encoded`; the fields."""
    encode = encode or encoded
    if "\x00" not in text:
        return (encode(text),) if text else ()
    return tuple(
        b"\x00" + part.encode("ascii") if at % 2 else encode(part)
        for at, part in enumerate(_FIELD.split(text))
        if part
    )


def encoded(text: str) -> bytes:
    """*text* as one piece; a last line without an end gets a soft one, which decoding drops."""
    # Most of what is written into a kept page is a few plain words.
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
    # Not by a loop: this is done for each personal line of each mail.
    if (
        is_long
        or lines.startswith((b".", b"From "))
        or b"\n." in lines
        or b"\nFrom " in lines
        or b"=20\n" in lines
        or b"=09\n" in lines
    ):
        lines = _ODD.sub(_mended, lines)
    return lines.replace(b"\n", b"\r\n")


def _mended(found: re.Match[bytes]) -> bytes:
    """
    A line that begins safely and is not too long.

    A dot at its beginning would be doubled on the way (RFC 5321 4.5.2), and "From " gets a ">"
    before it in some mailboxes (RFC 2049 3): both are written as numbers. `b2a_qp` makes a line too
    long that ends with a blank.
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
        # Not inside an "=XX".
        escape = rest.find(b"=", max(0, cut - 2), cut)
        cut = cut if escape < 0 else escape
        done.append(first + rest[:cut] + b"=")
        rest = rest[cut:]
    return b"".join(line + b"\n" for line in (*done, rest))


def decoded(pieces: Iterable[bytes]) -> str:
    """The text of *pieces*; an open field is left out."""
    joined = b"".join(piece for piece in pieces if piece[0] != _OPEN)
    return a2b_qp(joined).replace(b"\r\n", b"\n").decode("utf-8")


def filled(pieces: Iterable[bytes], fields: Mapping[str, Fragments]) -> Fragments:
    """*pieces* with those fields filled in that have a value; the others stay open."""
    done = list(pieces)
    for name, value in fields.items():
        opened = b"\x00" + name.encode("ascii")
        # Found by the list itself: a mail has a hundred pieces and few fields.
        while opened in done:
            at = done.index(opened)
            done[at : at + 1] = value
    return tuple(done)


def size(pieces: Iterable[bytes]) -> int:
    """Octets of *pieces* in a message, each field that is still open at its largest."""
    return sum(len(piece) if piece[0] != _OPEN else FIELD_MAX for piece in pieces)


def merged(pieces: Fragments) -> Fragments:
    """*pieces* with those joined that stand side by side, so that only open fields part them."""
    done: list[bytes] = []
    begin = 0
    for at in [at for at, piece in enumerate(pieces) if piece[0] == _OPEN]:
        done += b"".join(pieces[begin:at]), pieces[at]
        begin = at + 1
    return tuple(filter(None, (*done, b"".join(pieces[begin:]))))
