r"""
Convert LaTeX formulas to one line of Unicode: ``10^{-3}`` → 10⁻³.

An unknown macro is kept with its braces, and the formula around it converted. A formula without a
one-line form (a definition, a table, unbalanced braces) raises `NotPlain`, and its source is shown
instead. Begin at `formula`.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from digestbot.text.symbols import (
    ACCENTS,
    ALPHABETS,
    LINES,
    LOWERED,
    MATH_ACCENTS,
    NUMBER_SETS,
    OPERATORS,
    RAISED,
    SUBSCRIPTS,
    SUPERSCRIPTS,
    is_between,
    names,
    styled,
    symbol,
)

DEPTH_MAX = 30
"""Maximum nesting of braces; formulas in papers have up to five levels."""

# Placeholders around relations and around names like "log", until it is known whether a space
# belongs there. Private-use characters, which `plain` removes from its input.
_SIDE = "\ue000"
_EDGE = "\ue001"
_MARKED_GAP = re.compile(f"([ {_SIDE}{_EDGE}]*[{_SIDE}{_EDGE}][ {_SIDE}{_EDGE}]*)")
_TOKEN = re.compile(r"\\(?:operatorname|[hv]space)\*\s*|\\[A-Za-z]+\s*|\\.|\s+|.", re.DOTALL)
_KERN = re.compile(r"\\[hm]?(?:kern|skip)\s*[-+]?[\d.]+\s*(?:pt|em|ex|mu|mm|cm|in)")
_ACCENTED = re.compile(r"\\([`'^\"~=.])\s*(?:\{\s*([A-Za-z])\s*\}|([A-Za-z]))")
_OPENERS = "([{⟨⌊⌈"
_BEFORE_SIGNED = _OPENERS + ",;:=<>+-/^_|‖"
"""After one of these a sign is unary: ``[\\pm 1]``, ``x=\\pm 1``."""
_CLOSERS = ")]}⟩⌋⌉,;"

_SCRIPT_STARTS = RAISED.union("_^", LOWERED, SUPERSCRIPTS.values(), SUBSCRIPTS.values())
_BLANKS = {",": " ", ";": " ", ":": " ", ">": " ", " ": " ", "!": "", "/": "", "-": ""}
_ESCAPED = {"{": "{", "}": "}", "%": "%", "&": "&", "#": "#", "$": "$", "_": "_", "|": "‖"}
_SIZES = names(
    "left right middle big Big bigg Bigg bigl bigr bigm Bigl Bigr Bigm biggl biggr Biggl Biggr"
)
_DROPPED = names(
    "displaystyle textstyle scriptstyle limits nolimits rm bf it sf tt sl em boldmath nonumber "
    "small mathstrut strut allowbreak tiny scriptsize footnotesize normalsize scriptscriptstyle "
    "large textstyle bfseries itshape sc upshape rmfamily"
)
_QUADS = frozenset(("quad", "qquad", "enspace", "enskip", "thinspace", "hfill", "space"))
_NO_LINE = names(
    "newcommand renewcommand providecommand def let DeclareMathOperator begin end href url unicode "
    "cite citep citet footnote emph item verb cr hline matrix pmatrix cases"
)
"""Macros without a form in formulas, or better handled by the surrounding text."""
_PASSED_ON = names(
    "mathrm mathbf mathit mathsf mathtt boldsymbol bm pmb mathnormal bold ensuremath mathop "
    "mathbin mathrel mathord mathopen mathclose smash boxed"
)
_TEXTUAL = names(
    "text textrm textnormal textit textbf textsf texttt textsc textup textsl mbox hbox emph"
)


class NotPlain(Exception):
    """Signal that source has no plain form and is kept."""


def formula(source: str, depth: int = 0) -> str:
    """
    Convert the formula *source* to one line.

    Args:
        source: The text between the dollars.
        depth: Levels of braces around it.

    Raises:
        NotPlain: It has no one-line form, or its braces are unbalanced.
    """
    reader = _Reader(tokens=_TOKEN.findall(_KERN.sub("", source)))
    text = reader.row(depth)
    if reader.position < len(reader.tokens):
        raise NotPlain(source)
    return _spaced(text)


def script(text: str, *, up: bool) -> str:
    """Write plain *text* as an exponent or an index: ``⁻³``, ``_BH``, ``^(a+b)``."""
    if text in (RAISED if up else LOWERED):
        return text.replace("∘", "°")
    table = SUPERSCRIPTS if up else SUBSCRIPTS
    # Raised parentheses inside are hard to read: n^(O(1)), but x⁽ᵏ⁾.
    nested = "(" in text[1:]
    if text and not nested and all(char in table or char == "′" for char in text):
        return "".join(table.get(char, char) for char in text)
    sign = "^" if up else "_"
    if text.isalnum() or len(text) == 1 or (text[:1] == "(" and text[-1:] == ")"):
        return sign + text
    return f"{sign}({text})"


def accented(base: str, mark: str) -> str:
    """Return *base* with the accent *mark*, as one character if Unicode has it."""
    dotless = {"ı": "i", "ȷ": "j"}.get(base, base)
    return unicodedata.normalize("NFC", dotless + mark)


@dataclass
class _Reader:
    """Reader of one formula, given as tokens."""

    tokens: list[str]
    position: int = 0

    def row(self, depth: int) -> str:
        """Convert up to the closing brace or the end."""
        if depth > DEPTH_MAX:
            raise NotPlain("too deep")
        out: list[str] = []
        while self.position < len(self.tokens) and self.tokens[self.position] != "}":
            sign = self.take()
            if sign in ("^", "_"):
                self._append_script(out, self._argument(depth), up=sign == "^")
            elif sign == "'":
                out.append("′")
            elif _name(sign) in ("cal", "frak", "Bbb"):
                out.append(_in_alphabet(_name(sign), self.row(depth + 1)))
            elif _name(sign) == "choose":
                out[:] = [f"({_compact(''.join(out))} choose {_compact(self.row(depth + 1))})"]
            elif _name(sign) == "over":
                out[:] = [_divided("".join(out), self.row(depth + 1))]
            else:
                out.append(self._atom(sign, depth))
        return "".join(out)

    def take(self) -> str:
        if self.position >= len(self.tokens):
            raise NotPlain("ends too early")
        self.position += 1
        return self.tokens[self.position - 1]

    def _append_script(self, out: list[str], text: str, *, up: bool) -> None:
        before = "".join(out[-1:])
        # The space that may follow "log" belongs after its index: log₂ n.
        if before.endswith(_EDGE):
            out[-1] = before[: -len(_EDGE)]
            out.append(script(_compact(text), up=up) + _EDGE)
        else:
            out.append(script(_compact(text), up=up))

    def _atom(self, sign: str, depth: int) -> str:
        if sign == "{":
            return self._group(depth)
        if sign[0] == "\\":
            return self._macro(_name(sign), depth)
        if sign in ("&", "#", "}", "$"):
            raise NotPlain(sign)
        return " " if sign.isspace() or sign == "~" else sign

    def _group(self, depth: int) -> str:
        inside = self.row(depth + 1)
        if self.take() != "}":
            raise NotPlain("unbalanced")
        return inside

    def _argument(self, depth: int) -> str:
        """Convert the next group or single atom, after optional spaces."""
        sign = self.take()
        while sign.isspace():
            sign = self.take()
        if sign in ("^", "_", "'", "}") or depth > DEPTH_MAX:
            raise NotPlain(sign)
        return self._atom(sign, depth + 1)

    def _raw_argument(self) -> str:
        """Return the source inside the next group."""
        if self.take().strip() != "{":
            raise NotPlain("no group")
        out: list[str] = []
        level = 1
        while True:
            sign = self.take()
            level += {"{": 1, "}": -1}.get(sign, 0)
            if level == 0:
                return "".join(out)
            out.append(sign)

    def _macro(self, name: str, depth: int) -> str:
        if name in _ESCAPED:
            return _ESCAPED[name]
        if name in _BLANKS:
            return _BLANKS[name]
        if name in _DROPPED:
            return ""
        if name in _SIZES:
            return self._size()
        if name in _QUADS:
            return " "
        if name in _SHAPES:
            return _SHAPES[name](self, depth)
        return self._named(name.removesuffix("*"), depth)

    def _size(self) -> str:
        """Drop a size macro, including the dot of ``\\left.``."""
        if self.tokens[self.position : self.position + 1] == ["."]:
            self.position += 1
        return ""

    def _named(self, name: str, depth: int) -> str:
        if name in OPERATORS:
            return f"{_EDGE}{name}{_EDGE}"
        if name in MATH_ACCENTS:
            return _under(name, _compact(self._argument(depth)))
        if name in LINES:
            return "".join(accented(char, LINES[name]) for char in self._letters(depth))
        if name in ALPHABETS:
            return _in_alphabet(name, self._letters(depth))
        if name in _PASSED_ON:
            return self._argument(depth)
        if name in _TEXTUAL:
            return self._words(depth)
        text = NUMBER_SETS.get(name) or symbol(name)
        if text is None:
            return self._unknown(name, depth)
        return f"{_SIDE}{text}{_SIDE}" if is_between(text) else text

    def _unknown(self, name: str, depth: int) -> str:
        """Keep an unknown macro, with plain text inside its braces."""
        if name in _NO_LINE or not name.isalpha():
            raise NotPlain(name)
        out = f"\\{name}"
        while self.tokens[self.position : self.position + 1] == ["{"]:
            out += "{" + _compact(self._argument(depth)) + "}"
        # A converter on the way to arXiv turned \\beta into \\b{eta}.
        torn = symbol(name + out[len(name) + 2 : -1]) if out.endswith("}") else None
        return torn or f"{out}{_EDGE}"

    def _letters(self, depth: int) -> str:
        """Return an argument whose letters will be restyled; macros are refused."""
        text = _compact(self._argument(depth))
        if "\\" in text:
            raise NotPlain(text)
        return text

    def _words(self, depth: int) -> str:
        r"""Convert the argument of ``\text``: a group or a single sign."""
        if self.tokens[self.position : self.position + 1] == ["{"]:
            return _text(self._raw_argument(), depth + 1)
        return self._argument(depth)

    def fraction(self, depth: int) -> str:
        return _divided(self._argument(depth), self._argument(depth))

    def root(self, depth: int) -> str:
        degree = ""
        if self.tokens[self.position : self.position + 1] == ["["]:
            end = (
                self.tokens.index("]", self.position) if "]" in self.tokens[self.position :] else 0
            )
            if not end:
                raise NotPlain("sqrt")
            degree = formula("".join(self.tokens[self.position + 1 : end]))
            self.position = end + 1
        index = script(degree, up=True) if degree else ""
        return f"{index}√{_enclosed(_compact(self._argument(depth)))}"

    def choose(self, depth: int) -> str:
        above, below = _compact(self._argument(depth)), _compact(self._argument(depth))
        return f"({above} choose {below})"

    def modulo(self, depth: int) -> str:
        return f" (mod {_compact(self._argument(depth))})"

    def negated(self, depth: int) -> str:
        sign = self._argument(depth).strip(_SIDE)
        if len(sign) != 1:
            raise NotPlain("not")
        return f"{_SIDE}{accented(sign, chr(0x338))}{_SIDE}"

    def operator(self, depth: int) -> str:
        return f"{_EDGE}{_compact(self._argument(depth))}{_EDGE}"

    def phantom(self, depth: int) -> str:
        self._argument(depth)
        return ""

    def coloured(self, depth: int) -> str:
        self._raw_argument()
        return self._argument(depth)

    def remainder(self, depth: int) -> str:
        return " mod "

    def above(self, depth: int) -> str:
        r"""Convert ``\overset{def}{=}`` to =ᵈᵉᶠ."""
        mark = _compact(self._argument(depth))
        return self._argument(depth).rstrip(_SIDE) + script(mark, up=True) + _EDGE

    def below(self, depth: int) -> str:
        mark = _compact(self._argument(depth))
        return self._argument(depth).rstrip(_EDGE) + script(mark, up=False) + _EDGE

    def arrow(self, depth: int) -> str:
        r"""Convert ``\xrightarrow{f}`` to →ᶠ."""
        mark = _compact(self._argument(depth))
        return f"{_SIDE}→{script(mark, up=True) if mark else ''}{_SIDE}"

    def stacked(self, depth: int) -> str:
        """Convert stacked rows to a list on one line."""
        rows = self._raw_argument().split(r"\\")
        return ", ".join(formula(row, depth + 1) for row in rows)


_SHAPES: dict[str, Callable[[_Reader, int], str]] = {
    "frac": _Reader.fraction,
    "dfrac": _Reader.fraction,
    "tfrac": _Reader.fraction,
    "nicefrac": _Reader.fraction,
    "sfrac": _Reader.fraction,
    "sqrt": _Reader.root,
    "binom": _Reader.choose,
    "tbinom": _Reader.choose,
    "dbinom": _Reader.choose,
    "pmod": _Reader.modulo,
    "bmod": _Reader.remainder,
    "mod": _Reader.remainder,
    "not": _Reader.negated,
    "operatorname": _Reader.operator,
    "operatorname*": _Reader.operator,
    "phantom": _Reader.phantom,
    "hphantom": _Reader.phantom,
    "vphantom": _Reader.phantom,
    "label": _Reader.phantom,
    "hspace": _Reader.phantom,
    "textcolor": _Reader.coloured,
    "substack": _Reader.stacked,
    "overset": _Reader.above,
    "stackrel": _Reader.above,
    "underset": _Reader.below,
    "xrightarrow": _Reader.arrow,
}


def _text(source: str, depth: int) -> str:
    """Convert simple words inside a formula, with nested formulas in dollars."""
    pieces = source.split("$")
    if len(pieces) % 2 == 0:
        raise NotPlain(source)
    out = []
    for place, piece in enumerate(pieces):
        inside = formula(piece, depth) if place % 2 else _unescaped(piece, depth)
        out.append(inside)
    return "".join(out)


def _unescaped(source: str, depth: int) -> str:
    source = _ACCENTED.sub(lambda found: accented(found[2] or found[3], ACCENTS[found[1]]), source)
    text = re.sub(r"\\([%&#_{} -])", lambda found: _BLANKS.get(found[1], found[1]), source)
    if "\\" in text or "{" in re.sub(r"\\[{}]", "", source):
        # \text{{\AA}}: letters and symbols can be read as a formula.
        before, after = source[: source[:1].isspace()], source[len(source.rstrip()) :]
        return before + formula(source, depth) + after
    return text.replace("~", " ").replace("---", "—").replace("--", "–")


def _name(sign: str) -> str:
    """Return the name after the backslash; a space for ``\\ ``."""
    return sign[1:].strip() or sign[1:]


def _divided(above: str, below: str) -> str:
    return f"{_enclosed(_compact(above))}/{_enclosed(_compact(below))}"


def _in_alphabet(name: str, text: str) -> str:
    return "".join(styled(ALPHABETS[name], char) for char in text)


def _under(name: str, base: str) -> str:
    r"""Put an accent on the first letter of *base*: Ȳ_b; keep the source if it spans more."""
    if not base or base[0] == "\\" or (len(base) > 1 and base[1] not in _SCRIPT_STARTS):
        return f"\\{name}{{{base}}}"
    return accented(base[0], MATH_ACCENTS[name]) + base[1:]


def _enclosed(text: str) -> str:
    """Put *text* in parentheses unless it is one number, name or root."""
    simple = re.fullmatch(r"[^\W_]+[′²³ⁿ]?|.|[^\W_]*\([^()]*\)", text)
    return text if simple else f"({text})"


def _compact(text: str) -> str:
    """Format *text* for an index or a fraction: no spaces around relations."""
    return _spaced(text.replace(_SIDE, "")) if text else text


def _spaced(text: str) -> str:
    """Replace each placeholder in *text* by an optional space, and strip the ends."""
    pieces = _MARKED_GAP.split(text)
    out, unary = pieces[0], False
    for gap, following in zip(pieces[1::2], pieces[2::2], strict=True):
        typed = " " if " " in gap else ""
        if not out or not following or following[0] in _CLOSERS:
            blank = ""
        elif _SIDE not in gap:
            blank = " " if typed or (_ends_word(out) and _begins_word(following)) else ""
        elif unary:
            blank = ""
        elif out[-1] in _BEFORE_SIGNED:
            blank = typed if out[-1] not in _OPENERS else ""
        else:
            blank = " "
        # A unary sign is attached to what follows it.
        unary = _SIDE in gap and is_between(following) and (not out or out[-1] in _BEFORE_SIGNED)
        out += blank + following
    return re.sub(r" +(?=[ ⌋⌉⟩])|(?<=[⌊⌈⟨]) +", "", out).strip()


def _ends_word(text: str) -> bool:
    return text[-1].isalnum() or text[-1] in ")]}⟩⌋⌉′*" or bool(unicodedata.combining(text[-1]))


def _begins_word(text: str) -> bool:
    return text[0].isalnum() or text[0] in "√∞∑∏|⌊⌈⟨"


def knows(name: str) -> bool:
    """Return True if formulas convert the macro *name*, including its arguments."""
    bare = name.removesuffix("*")
    own = (_SHAPES, ALPHABETS, MATH_ACCENTS, LINES, _PASSED_ON, _TEXTUAL)
    return any(bare in table for table in own)
