r"""
Convert prose with LaTeX to plain text: ``Schr\"odinger's $\psi$`` → Schrödinger's ψ.

Handles one paragraph on one line. Unknown macros are kept, with plain text inside their braces;
environments, and formulas without a one-line form, are kept whole. Braces are matched in one pass,
so the time is linear in the length of the text. Begin at `to_text`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from digestbot.text.mathtext import NotPlain, accented, formula, knows, script
from digestbot.text.symbols import ACCENTS, OPERATORS, TEXT_LETTERS, is_between, names, symbol

DEPTH_MAX = 20
"""Maximum nesting of macros; deeper ones are kept as source."""
REACH = 4000
"""Maximum length of a formula or an environment, in characters."""

# Private-use characters, which `plain` removes from its input; mathtext uses two others.
ITALIC, BOLD, UPRIGHT = "\ue002", "\ue003", "\ue004"
ITALICS_MAX = 60
"""Maximum length of prose between two dollars that counts as italics."""

_SPECIAL = re.compile(r"\\|\$|``|''|[`~{]|-{2,}")
_SIGNS = ("\\", "$", "`", "~", "{", "''", "--")
_NAME = re.compile(r"[A-Za-z]+\*?")
_TEX_INSIDE = re.compile(r"[\\^_{}]")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_BRACED_PROSE = re.compile(r"[^\W\d_][\w\s.'’&/+-]*")
_ENDS_IN_MACRO = re.compile(r"\\[A-Za-z]+$")
_PROSE_MACRO = re.compile(r"\s*\\(?:href|url|unicode|underline|emph|text[a-z]+)\s*\{")
_STILL_LATEX = re.compile(r"[\\$]")
_SINGLE_LETTER = re.compile(r"(?<=[A-Za-z]) +[A-Za-z](?![A-Za-z])")
_OPTION = re.compile(r"\[([^\[\]]*)\]")
_VERBATIM = re.compile(r"([^\w\s{])(.{0,200}?)\1")
_ONLY_WORDS = re.compile(r"\s*\\(textit|textsl|textbf|emph)\s*\{[^{}]*\}\s*")
_SWITCH = re.compile(r"\\(em|it|itshape|sl|bf|bfseries)(?![A-Za-z])")
_UNICODE = re.compile(r"\s*\{\s*[xX]([0-9A-Fa-f]{2,6})\s*\}")

# Macros that show their argument.
_SHOWN = names(
    "textbf emph textit textsc texttt textrm textsf textsl textup textmd textnormal text underline "
    "uline ul mbox hbox fbox textls num bm boldsymbol mathbf mathrm mathit mathsf mathtt code sout "
    "so hl"
)
# Macros without argument or output; TeX drops the space after them.
_SILENT = names(
    "em bf it rm sc tt sf sl small tiny large Large footnotesize scriptsize normalsize itshape "
    "bfseries scshape ttfamily rmfamily sffamily upshape mdseries noindent indent xspace boldmath "
    "centering raggedright protect relax maketitle leavevmode footnotemark smallskip medskip "
    "bigskip newline linebreak par displaystyle textstyle allowbreak"
)
_BREAKS = names("newline linebreak par smallskip medskip bigskip quad qquad enspace")
# Macros that hide their argument.
_HIDDEN = names("label hspace vspace vskip color thanks index phantom pagestyle")
# Only citations in brackets: "\\citet{x} show …" is part of its sentence, so \\citet is kept.
_CITED = names("cite citep citealp Cite Citep")
# Emphasis: macros with an argument, and switches at the start of a group.
_SET_ITALIC = names("emph textit textsl em it itshape sl")
_SET_BOLD = names("textbf bf bfseries")
_DEFINING = names("newcommand renewcommand providecommand def DeclareMathOperator includegraphics")
_DISPLAYS = names("equation align displaymath math eqnarray gather multline")
_CONTROL_BLANKS = {",": " ", ";": " ", ":": " ", ">": " ", " ": " ", "\\": " "}
_CONTROL_NOTHING = "-/@!"
_CONTROL_SELF = "%&#_${}"


def is_plain(text: str) -> bool:
    """Return True if *text* is free of LaTeX."""
    # A fifth of the time of a regular expression, and most texts are plain.
    return not any(sign in text for sign in _SIGNS)


def to_text(source: str, *, marked: bool = False) -> str:
    """
    Convert the LaTeX in *source*, one paragraph on one line, to plain text where possible.

    With *marked*, italics and bold are enclosed by `ITALIC` or `BOLD` and `UPRIGHT`.
    """
    reader = _Reader(source=source, closing=_matching_braces(source), marked=marked)
    return reader.prose(0, len(source), 0)


def _matching_braces(source: str) -> dict[int, int]:
    """Map the position of each matched ``{`` to that of its ``}``."""
    pairs, waiting = {}, []
    for found in re.finditer(r"\\.|[{}]", source):
        if found[0] == "{":
            waiting.append(found.start())
        elif found[0] == "}" and waiting:
            pairs[waiting.pop()] = found.start()
    return pairs


@dataclass
class _Reader:
    """Reader of one paragraph; positions are indexes in *source*."""

    source: str
    closing: dict[int, int]
    marked: bool = False
    position: int = 0
    open_quotes: int = field(default=0)

    def prose(self, start: int, end: int, depth: int) -> str:
        """Convert ``source[start:end]``."""
        out: list[str] = []
        self.position = start
        while found := _SPECIAL.search(self.source, self.position, end):
            out.append(self.source[self.position : found.start()])
            self.position = found.end()
            out.append(self._special(found, end, depth, out))
        out.append(self.source[self.position : end])
        return "".join(out)

    def _special(self, found: re.Match[str], end: int, depth: int, out: list[str]) -> str:
        sign, place = found[0], found.start()
        if sign == "$":
            return self._dollar(place, end)
        if sign == "{":
            return self._braces(place, end, depth, out)
        if sign == "\\":
            return self._backslash(place, end, depth, out)
        if sign == "~":
            return self._tie(place)
        if sign[0] == "-":
            return self._dash(place, found.end())
        return self._quote(sign, place, end)

    # dollars

    def _dollar(self, place: int, end: int) -> str:
        width = 2 if self.source.startswith("$$", place) else 1
        start = place + width
        stop = self._end_of_formula("$" * width, start, min(end, start + REACH))
        content = self.source[start:stop] if stop >= 0 else ""
        after = self.source[stop + width : stop + width + 1]
        if stop < 0 or not _is_formula(content, after):
            self.position = start
            return "$" * width
        self.position = stop + width
        text = _between_dollars(content, self.source[place : self.position])
        words = _ONLY_WORDS.fullmatch(content)
        return self._set(words[1], text) if words else text

    def _end_of_formula(self, sign: str, start: int, end: int) -> int:
        r"""Find the closing *sign* outside braces, as in ``$\mbox{if $x$}$``; -1 if missing."""
        stop = _unescaped_find(self.source, sign, start, end)
        at = start
        while 0 <= at < stop:
            brace = self.source.find("{", at, stop)
            close = self.closing.get(brace, brace) if brace >= 0 else -1
            if stop < close < end:
                later = _unescaped_find(self.source, sign, close, end)
                stop = later if later >= 0 else stop
                at = close if later >= 0 else brace + 1
            else:
                at = max(close, brace) + 1 if brace >= 0 else -1
        return stop

    def _bracketed(self, place: int, end: int, closer: str) -> str:
        r"""Convert ``\(…\)`` and ``\[…\]``."""
        start = place + 2
        stop = self.source.find(closer, start, min(end, start + REACH))
        self.position = start if stop < 0 else stop + 2
        whole = self.source[place : self.position]
        return whole if stop < 0 else _between_dollars(self.source[start:stop], whole)

    # braces

    def _braces(self, place: int, end: int, depth: int, out: list[str]) -> str:
        close = self.closing.get(place)
        if close is None or close >= end or depth >= DEPTH_MAX:
            return "{"
        content = self.source[place + 1 : close]
        if self.source[place - 1 : place] in ("^", "_") and out and out[-1][-1:] in ("^", "_"):
            return self._loose_script(place, close, content, out)
        doubled = self.closing.get(place + 1) == close - 1
        formulas = content.startswith("$") and "," not in content
        if not (content[:1] == "\\" or doubled or formulas or _BRACED_PROSE.fullmatch(content)):
            return "{"
        inside = self.prose(place + 1, close, depth + 1)
        self.position = close + 1
        switch = _SWITCH.match(content)
        return self._unless_torn(self._set(switch[1], inside) if switch else inside, place)

    def _loose_script(self, place: int, close: int, content: str, out: list[str]) -> str:
        """Convert ``10^{-3}`` and ``H_{2}O`` outside dollars, if Unicode has the characters."""
        up = out[-1][-1] == "^"
        self.position = close + 1
        try:
            raised = script(formula(content), up=up)
        except NotPlain:
            return self.source[place : self.position]
        if (raised[:1] in ("^", "_") and "\\" not in content) or not content.strip():
            return self.source[place : self.position]
        out[-1] = out[-1][:-1]
        return raised

    def _unless_torn(self, text: str, place: int) -> str:
        r"""Keep the braces of ``{\ours}net``, which would otherwise read ``\oursnet``."""
        following = self.source[self.position : self.position + 1]
        if following.isalpha() and _ENDS_IN_MACRO.search(text):
            return self.source[place : self.position]
        return text

    # quotes, ties, dashes

    def _quote(self, sign: str, place: int, end: int) -> str:
        before, after = self.source[place - 1 : place], self.source[place + len(sign) :][:1]
        if sign == "``":
            self.open_quotes += 1
            return "“"
        if sign == "`":
            return self._single_quote(place, end)
        if self.open_quotes:
            self.open_quotes -= 1
            return "”"
        opens = (not place or before in " ([") and after.isalnum()
        if opens and self.source.find("''", place + 2, min(end, place + REACH)) > 0:
            self.open_quotes += 1
            return "“"
        return sign

    def _single_quote(self, place: int, end: int) -> str:
        found = re.compile(r"[^`'$\\{}]{1,80}'(?![\w'])").match(self.source, place + 1, end)
        if not found:
            return "`"
        self.position = found.end()
        return f"‘{found[0][:-1]}’"

    def _tie(self, place: int) -> str:
        """Return a space, or "~" where it means "about" (~10, 10~20) or is in a URL (/~name)."""
        before, after = self.source[place - 1 : place], self.source[place + 1 : place + 2]
        between_numbers = before.isdigit() and after.isdigit()
        if not place or before in " /(=" or after in (" ", "") or between_numbers:
            return "~"
        return " "

    def _dash(self, start: int, stop: int) -> str:
        before, after = self.source[start - 1 : start], self.source[stop : stop + 1]
        is_option = (not start or before in " (`") and after.isalnum() and stop - start == 2
        if stop - start > 3 or is_option:
            return self.source[start:stop]
        return "–" if stop - start == 2 else "—"

    # macros

    def _backslash(self, place: int, end: int, depth: int, out: list[str]) -> str:
        char = self.source[place + 1 : place + 2] if place + 1 < end else ""
        named = _NAME.match(self.source, place + 1, end)
        if named:
            self.position = named.end()
            return self._word(named[0], place, end, depth, out)
        self.position = min(place + 2, end)
        if char in ("(", "["):
            return self._bracketed(place, end, {"(": "\\)", "[": "\\]"}[char])
        if char and char in _CONTROL_SELF:
            return char
        if char and char in _CONTROL_NOTHING:
            return ""
        if char in ACCENTS:
            return self._accent(char, place, end)
        return _CONTROL_BLANKS.get(char, self.source[place : self.position])

    def _accent(self, name: str, place: int, end: int) -> str:
        pattern = _ACCENTED_WORD if name.isalpha() else _ACCENTED
        found = pattern.match(self.source, self.position, end)
        if found:
            letter = next(filter(None, found.groups()))
            self.position = found.end()
            base = {"\\i": "ı", "\\j": "ȷ"}.get(letter, letter)
            return accented(base, ACCENTS[name])
        if name in "^~" and self.source.startswith("{}", self.position):
            self.position += 2
            return name
        return self._torn_symbol(name, end) or self.source[place : self.position]

    def _torn_symbol(self, name: str, end: int) -> str | None:
        r"""Repair ``\b{eta}``, which a converter on the way to arXiv made from ``\beta``."""
        group = self._group_at(self.position, end)
        text = symbol(name + self.source[slice(*group)]) if group and name.isalpha() else None
        if group and text:
            self.position = group[1] + 1
        return text

    def _word(self, name: str, place: int, end: int, depth: int, out: list[str]) -> str:
        if name in ACCENTS and not (letter := self._accent(name, place, end)).startswith("\\"):
            return letter
        name = name.removesuffix("*")
        if name in _READERS:
            return self._set(name, self._read(_READERS[name], place, end, depth))
        if name in _BREAKS or name in _SILENT:
            self._skip_blanks(end)
            return " " if name in _BREAKS else ""
        if name == "begin":
            return self._environment(place, end)
        if name == "verb" and (found := _VERBATIM.match(self.source, self.position, end)):
            self.position = found.end()
            return found[2]
        text = name if name in OPERATORS else symbol(name)
        if text is None:
            return self._unknown(name, place, end, depth)
        return self._symbol(name, text, end, out)

    def _unknown(self, name: str, place: int, end: int, depth: int) -> str:
        r"""Keep an unknown macro, with plain arguments: ``\ours{some \emph{text}}``."""
        if knows(name):  # a formula without dollars: \\mathbb{R}, \\sqrt{n}
            source = self._source_with_arguments(place, end)
            if single := _SINGLE_LETTER.match(self.source, self.position, end):
                self.position = single.end()  # \\dot m
                source = self.source[place : self.position]
            return _formula_or(source, source)
        if name in _DEFINING or depth >= DEPTH_MAX:
            return self._source_with_arguments(place, end)
        out = [self.source[place : self.position]]
        while True:
            if option := self._option_at(self.position, end):
                out.append(self.source[self.position : option[1] + 1])
                self.position = option[1] + 1
            elif group := self._group_at(self.position, end):
                out.append("{" + self.prose(*group, depth + 1) + "}")
                self.position = group[1] + 1
            else:
                return "".join(out)

    def _symbol(self, name: str, text: str, end: int, out: list[str]) -> str:
        if self.source.startswith("{}", self.position):
            self.position += 2
        elif name in TEXT_LETTERS:
            self._skip_blanks(end)
        following = self.source[self.position : self.position + 1]
        written = "".join(out[-2:])[-1:]
        if name in OPERATORS and written.isalnum():
            return f" {text}"
        if is_between(text) and following == " " and written.isalnum():
            return f" {text}"
        return text

    def _read(self, read: "_Read", place: int, end: int, depth: int) -> str:
        try:
            text = read(self, end, depth)
        except NotPlain:
            self.position = self._end_of_name(place)
            return self._source_with_arguments(place, end)
        return self._unless_torn(text, place)

    def _set(self, name: str, text: str) -> str:
        """Enclose *text* in the marks of the emphasis *name*, if marks are wanted."""
        is_source = text.startswith(f"\\{name}")
        if not self.marked or not text or is_source or name not in _SET_ITALIC | _SET_BOLD:
            return text
        return f"{ITALIC if name in _SET_ITALIC else BOLD}{text}{UPRIGHT}"

    def _end_of_name(self, place: int) -> int:
        named = _NAME.match(self.source, place + 1)
        return named.end() if named else place + 1

    def _source_with_arguments(self, place: int, end: int) -> str:
        while (group := self._group_at(self.position, end)) or (
            group := self._option_at(self.position, end)
        ):
            self.position = group[1] + 1
        return self.source[place : self.position]

    def _environment(self, place: int, end: int) -> str:
        group = self._group_at(self.position, end)
        if not group:
            return self.source[place : self.position]
        name = self.source[group[0] : group[1]]
        closer = f"\\end{{{name}}}"
        stop = self.source.find(closer, group[1], min(end, group[1] + REACH))
        self.position = group[1] + 1 if stop < 0 else stop + len(closer)
        whole = self.source[place : self.position]
        if stop < 0 or name.removesuffix("*") not in _DISPLAYS:
            return whole
        return _formula_or(self.source[group[1] + 1 : stop], whole)

    # arguments

    def _group_at(self, place: int, end: int) -> tuple[int, int] | None:
        """Return the start and end of the content of the group at *place*."""
        close = self.closing.get(place)
        return (place + 1, close) if close is not None and close < end else None

    def _option_at(self, place: int, end: int) -> tuple[int, int] | None:
        if not self.source.startswith("[", place):
            return None
        close = self.source.find("]", place, min(end, place + 200))
        return (place + 1, close) if close > 0 else None

    def _skip_blanks(self, end: int) -> None:
        while self.position < end and self.source[self.position] == " ":
            self.position += 1

    def argument(self, end: int, depth: int) -> str:
        start, stop = self._next_group(end, depth)
        text = self.prose(start, stop, depth + 1)
        self.position = stop + 1
        return text

    def raw_argument(self, end: int, depth: int) -> str:
        start, stop = self._next_group(end, depth)
        self.position = stop + 1
        return self.source[start:stop]

    def _next_group(self, end: int, depth: int) -> tuple[int, int]:
        self._skip_blanks(end)
        while option := self._option_at(self.position, end):
            self.position = option[1] + 1
        group = self._group_at(self.position, end)
        if group is None or depth >= DEPTH_MAX:
            raise NotPlain("no argument")
        return group


_Read = Callable[[_Reader, int, int], str]
"""Reads a macro's arguments at the reader's position; takes the end and the depth."""

_LETTER = r"(\\[ij](?![A-Za-z])|[^\W\d_])"
_ACCENTED = re.compile(rf"\s*{_LETTER}|\s*\{{\s*{_LETTER}\s*\}}")
_ACCENTED_WORD = re.compile(rf"\s+{_LETTER}|\s*\{{\s*{_LETTER}\s*\}}|(\\[ij])(?![A-Za-z])")


def _footnote(reader: _Reader, end: int, depth: int) -> str:
    return f" ({reader.argument(end, depth).strip()})"


def _shown(reader: _Reader, end: int, depth: int) -> str:
    r"""Return the next group; empty for ``\emph x``, whose text follows unbraced."""
    try:
        return reader.argument(end, depth)
    except NotPlain:
        if not reader.source[reader.position : reader.position + 1].isalnum():
            raise
        return ""


def _coloured(reader: _Reader, end: int, depth: int) -> str:
    reader.raw_argument(end, depth)
    return _shown(reader, end, depth)


def _quoted(reader: _Reader, end: int, depth: int) -> str:
    return f"“{reader.argument(end, depth)}”"


def _nothing(reader: _Reader, end: int, depth: int) -> str:
    reader.raw_argument(end, depth)
    return ""


def _citation(reader: _Reader, end: int, depth: int) -> str:
    r"""Convert ``\cite[Theorem 9]{Ding15}`` to [Ding15, Theorem 9]."""
    start = reader.position
    keys = reader.raw_argument(end, depth)
    notes = _OPTION.findall(reader.source, start, reader.position - len(keys) - 2)
    return f"[{', '.join([keys, *filter(None, notes)])}]"


def _second(reader: _Reader, end: int, depth: int) -> str:
    reader.raw_argument(end, depth)
    return reader.argument(end, depth)


def _link(reader: _Reader, end: int, depth: int) -> str:
    url = reader.raw_argument(end, depth).replace("\\", "")
    try:
        text = reader.argument(end, depth)
    except NotPlain:  # \\href{https://example.org} alone
        return url
    return text if url.removeprefix("mailto:") in text or not url else f"{text} ({url})"


def _third(reader: _Reader, end: int, depth: int) -> str:
    reader.raw_argument(end, depth)
    return _second(reader, end, depth)


def _url(reader: _Reader, end: int, depth: int) -> str:
    return reader.raw_argument(end, depth).replace("\\", "")


def _formula(reader: _Reader, end: int, depth: int) -> str:
    return formula(reader.raw_argument(end, depth))


def _raised(reader: _Reader, end: int, depth: int) -> str:
    return script(reader.argument(end, depth), up=True)


def _lowered(reader: _Reader, end: int, depth: int) -> str:
    return script(reader.argument(end, depth), up=False)


def _character(reader: _Reader, end: int, depth: int) -> str:
    r"""Convert MathJax's ``\unicode{x2014}``."""
    found = _UNICODE.match(reader.source, reader.position, end)
    if not found or not chr(int(found[1], 16) % 0x110000).isprintable():
        raise NotPlain("unicode")
    reader.position = found.end()
    return chr(int(found[1], 16))


_READERS: dict[str, _Read] = {
    **dict.fromkeys(_SHOWN, _shown),
    **dict.fromkeys(_HIDDEN, _nothing),
    **dict.fromkeys(_CITED, _citation),
    "enquote": _quoted,
    "footnote": _footnote,
    "textcolor": _coloured,
    "hyperlink": _second,
    "scalebox": _second,
    "resizebox": _third,
    "texorpdfstring": _second,
    "hyperref": _Reader.argument,
    "href": _link,
    "url": _url,
    "ensuremath": _formula,
    "textsuperscript": _raised,
    "textsubscript": _lowered,
    "unicode": _character,
}


def _formula_or(content: str, source: str) -> str:
    try:
        return formula(content)
    except NotPlain:
        return source


def _between_dollars(content: str, source: str) -> str:
    """Convert *content* as a formula or else as prose between dollars; or return *source*."""
    text = _formula_or(content, source)
    if text != source or not _PROSE_MACRO.match(content):
        return text
    text = to_text(content.replace("$", ""))
    return source if _STILL_LATEX.search(text) else text


def _unescaped_find(source: str, sign: str, start: int, end: int) -> int:
    place = source.find(sign, start, end)
    while place > 0 and source[place - 1] == "\\":
        place = source.find(sign, place + 1, end)
    return place


def _is_formula(content: str, after: str) -> bool:
    """
    Return True if dollars around *content* enclose a formula rather than mark two prices.

    Args:
        content: The text between the dollars.
        after: The character after the second dollar, or empty.
    """
    if not content.strip():
        return False
    first, last = content.strip()[0], content.strip()[-1]
    blanks = content[0].isspace(), content[-1].isspace()
    two_prices = first.isdigit() and after.isdigit()
    if _TEX_INSIDE.search(content):
        return not (two_prices and blanks[1])
    if two_prices or (first.isdigit() and blanks == (False, True)):
        return False
    # Some authors write $True/False$ for italics; a stray dollar is next to a bracket or space.
    if first.isalpha() and last.isalpha() and not any(blanks) and len(content) <= ITALICS_MAX:
        return True
    return not _LONG_WORD.search(content)
