r"""
MathML → LaTeX: ``<mfrac><mn>1</mn><mn>2</mn></mfrac>`` → ``\frac{1}{2}``.

Journals put presentation MathML (MathML 3, chapter 3) into titles and abstracts. LaTeX is what the
rest of the program reads, so `text.plain` makes Unicode of it and exports keep the formula. Begin
at `replace_mathml`.
"""

import html
import re
from collections.abc import Callable, Mapping
from typing import Any

MAX_LENGTH = 50_000
"""Characters of one formula; a longer one is reduced to its text."""
MAX_DEPTH = 60

_OPEN = re.compile(r"<(?P<prefix>[a-z]{1,10}:)?math(?=[\s>/])", re.IGNORECASE)
_PARSER_OPTIONS = {"recover": True, "resolve_entities": False, "no_network": True}
_SPECIAL = re.compile(r"([%&#$_{}])")
_FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        "sin cos tan cot sec csc log ln exp lim min max sup inf det dim ker arg deg gcd sinh cosh "
        "tanh arcsin arccos arctan",
    )
)
_STYLES = {
    "bold": "mathbf", "double-struck": "mathbb", "script": "mathcal", "fraktur": "mathfrak",
    "sans-serif": "mathsf", "normal": "mathrm", "bold-italic": "boldsymbol",
}  # fmt: skip
_ACCENTS = {
    "^": "hat", "ˆ": "hat", "̂": "hat", "¯": "bar", "‾": "bar", "̄": "bar", "~": "tilde",
    "˜": "tilde", "̃": "tilde", "→": "vec", "⃗": "vec", "˙": "dot", "̇": "dot", "¨": "ddot",
    ".": "dot",
}  # fmt: skip
_INVISIBLE = str.maketrans("", "", "\u2061\u2062\u2063\u2064\u200b")


def replace_mathml(source: str) -> str:
    """
    Return *source* with each ``<math>`` element replaced by its formula in dollars.

    Prefixes such as ``mml:`` are understood. A TeX annotation is used unchanged. Time is
    linear in the length of *source*.
    """
    lower = source.lower()
    if "math" not in lower:
        return source
    parts: list[str] = []
    at = 0
    while found := _OPEN.search(source, at):
        closing = f"</{found['prefix'] or ''}math>"
        end = lower.find(closing.lower(), found.end())
        if end < 0:
            break
        end += len(closing)
        parts += source[at : found.start()], _formula(source[found.start() : end])
        at = end
    return "".join([*parts, source[at:]])


def _formula(element: str) -> str:
    if len(element) > MAX_LENGTH:
        return re.sub(r"<[^<>]*>", "", element)
    latex = to_latex(element)
    return f"${latex}$" if latex else ""


def to_latex(element: str) -> str:
    """Convert one ``<math>`` element to LaTeX; return its text if it is broken."""
    from lxml import etree  # here: most commands parse nothing

    bare = re.sub(r"(</?)[A-Za-z]{1,10}:", r"\1", element)
    bare = re.sub(r"\s[a-z]+:[a-z]+=|\sxmlns(?::\w+)?=", " data-x=", bare, flags=re.IGNORECASE)
    try:
        root = etree.fromstring(_without_entities(bare), etree.XMLParser(**_PARSER_OPTIONS))
    except etree.XMLSyntaxError:
        root = None
    if root is None:
        return re.sub(r"<[^<>]*>", "", element).strip()
    return " ".join(_row(root, 0).split())


def _without_entities(text: str) -> str:
    """Resolve HTML's names for characters, but keep what XML itself needs."""
    kept = {"&amp;": "&amp;", "&lt;": "&lt;", "&gt;": "&gt;"}
    return re.sub(
        r"&#?\w{1,32};",
        lambda found: kept.get(found[0]) or html.escape(html.unescape(found[0])),
        text,
    )


def _row(element: Any, depth: int) -> str:
    """Return the children of *element* in a row."""
    return "".join(_node(child, depth + 1) for child in _children(element))


def _children(element: Any) -> list[Any]:
    return [child for child in element if isinstance(child.tag, str)]


def _node(element: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        return _escaped("".join(element.itertext()))
    tag = element.tag.lower()
    if tag in _LEAVES:
        return _LEAVES[tag](element)
    children = _children(element)
    build = _BUILDERS.get(tag)
    if build is None:
        return _row(element, depth)
    return build(element, [_node(child, depth + 1) for child in children])


def _identifier(element: Any) -> str:
    text = _text(element)
    style = _STYLES.get(element.get("mathvariant", ""))
    if style and style != "mathrm":
        return f"\\{style}{{{_escaped(text)}}}"
    if len(text) == 1:
        return _escaped(text)
    if text in _FUNCTIONS:
        return f"\\{text} "
    return f"\\mathrm{{{_escaped(text)}}}" if text else ""


def _operator(element: Any) -> str:
    text = _text(element)
    return f"\\mathrm{{{text}}} " if len(text) > 1 and text.isalpha() else _escaped(text)


def _words(element: Any) -> str:
    text = "".join(element.itertext())
    return f"\\text{{{_escaped(text)}}}" if text.strip() else " "


def _text(element: Any) -> str:
    text: str = "".join(element.itertext()).translate(_INVISIBLE).strip()
    return text


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text.replace("\\", ""))


def _script(mark: str) -> Callable[[Any, list[str]], str]:
    def build(_: Any, parts: list[str]) -> str:
        base, script = _two(parts)
        return f"{_group(base)}{mark}{{{script}}}" if script else base

    return build


def _both(_: Any, parts: list[str]) -> str:
    base, below, above = (*parts, "", "", "")[:3]
    return _group(base) + (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")


def _group(base: str) -> str:
    """Return *base*, braced if needed so that a script applies to all of it."""
    is_single = len(base) <= 1 or re.fullmatch(r"\\[a-z]+(?:\{[^{}]*\})?|\\.|\w", base)
    return base if is_single else f"{{{base}}}"


def _two(parts: list[str]) -> tuple[str, str]:
    first, second = (*parts, "", "")[:2]
    return first, second


def _fraction(_: Any, parts: list[str]) -> str:
    above, below = _two(parts)
    return f"\\frac{{{above}}}{{{below}}}"


def _root(_: Any, parts: list[str]) -> str:
    base, index = _two(parts)
    return f"\\sqrt[{index}]{{{base}}}"


def _square_root(_: Any, parts: list[str]) -> str:
    return f"\\sqrt{{{''.join(parts)}}}"


def _over(_: Any, parts: list[str]) -> str:
    base, above = _two(parts)
    accent = _ACCENTS.get(above.strip())
    return f"\\{accent}{{{base}}}" if accent else _script("^")(_, parts)


def _prescripts(element: Any, parts: list[str]) -> str:
    """``mmultiscripts``: base, pairs of scripts, ``mprescripts``, pairs before the base."""
    tags = [child.tag.lower() for child in _children(element)]
    split = tags.index("mprescripts") if "mprescripts" in tags else len(tags)
    base, behind, before = _two(parts)[0], parts[1:split], parts[split + 1 :]
    prefix = _pairs(before)
    return f"{{}}{prefix}{base}" + _pairs(behind) if prefix else _group(base) + _pairs(behind)


def _pairs(parts: list[str]) -> str:
    below, above = "".join(parts[::2]), "".join(parts[1::2])
    return (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")


def _fenced(element: Any, parts: list[str]) -> str:
    opening, closing = element.get("open", "("), element.get("close", ")")
    separator: str = element.get("separators", ",").strip()[:1]
    return _escaped(opening) + separator.join(parts) + _escaped(closing)


def _semantics(element: Any, parts: list[str]) -> str:
    for child in _children(element):
        if child.tag.lower() == "annotation" and "tex" in child.get("encoding", "").lower():
            return str(re.sub(r"^\\displaystyle\s*|[$]", "", _text(child)))
    return _two(parts)[0]


def _nothing(*_: Any) -> str:
    return ""


_LEAVES: Mapping[str, Callable[[Any], str]] = {
    "mi": _identifier, "mn": lambda e: _escaped(_text(e)), "mo": _operator, "mtext": _words,
    "ms": _words, "mspace": lambda _: " ", "none": _nothing, "mprescripts": _nothing,
    "annotation": _nothing, "annotation-xml": _nothing, "mphantom": _nothing,
}  # fmt: skip
_BUILDERS: Mapping[str, Callable[[Any, list[str]], str]] = {
    "msub": _script("_"), "msup": _script("^"), "msubsup": _both, "munder": _script("_"),
    "munderover": _both, "mover": _over, "mfrac": _fraction, "mroot": _root,
    "msqrt": _square_root, "mmultiscripts": _prescripts, "mfenced": _fenced,
    "semantics": _semantics,
}  # fmt: skip
