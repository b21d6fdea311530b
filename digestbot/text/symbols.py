r"""
What macros of LaTeX stand for in Unicode: pylatexenc's tables, amended.

pylatexenc is imported at the first macro that is looked up. Begin at `symbol`.
"""

import unicodedata
from functools import cache


def names(text: str) -> frozenset[str]:
    """The words of *text*: a table that can be read like prose."""
    return frozenset(text.split())


ACCENTS = {
    "`": "\u0300",
    "'": "\u0301",
    "^": "\u0302",
    "~": "\u0303",
    "=": "\u0304",
    "u": "\u0306",
    ".": "\u0307",
    '"': "\u0308",
    "r": "\u030a",
    "H": "\u030b",
    "v": "\u030c",
    "d": "\u0323",
    "c": "\u0327",
    "k": "\u0328",
    "b": "\u0331",
}
"""Text accent → the mark that follows its letter."""

MATH_ACCENTS = {
    "grave": "\u0300",
    "acute": "\u0301",
    "hat": "\u0302",
    "widehat": "\u0302",
    "tilde": "\u0303",
    "widetilde": "\u0303",
    "bar": "\u0304",
    "breve": "\u0306",
    "dot": "\u0307",
    "ddot": "\u0308",
    "mathring": "\u030a",
    "check": "\u030c",
    "widecheck": "\u030c",
    "vec": "\u20d7",
}

MATH_ACCENTS |= {name.capitalize(): MATH_ACCENTS[name] for name in ("bar", "hat", "tilde", "vec")}

NUMBER_SETS = {
    name * times: letter
    for name, letter in {"C": "ℂ", "F": "𝔽", "N": "ℕ", "Q": "ℚ", "R": "ℝ", "Z": "ℤ"}.items()
    for times in (1, 2)
}
"""Macros that nearly every author defines like this; in formulas only."""

LINES = {"overline": "\u0305", "underline": "\u0332"}
"""Math accents that may stand over more than one letter: the mark follows each."""

ALPHABETS = {
    "mathcal": "SCRIPT",
    "mathscr": "SCRIPT",
    "cal": "SCRIPT",
    "mathbb": "DOUBLE-STRUCK",
    "mathds": "DOUBLE-STRUCK",
    "mathbbm": "DOUBLE-STRUCK",
    "Bbb": "DOUBLE-STRUCK",
    "mathfrak": "FRAKTUR",
    "frak": "FRAKTUR",
}
"""Alphabets that mean something; bold and italic mean nothing without their page."""

OPERATORS = names(
    "arccos arcsin arctan arg argmax argmin cos cosh cot coth csc deg det dim erf exp gcd hom inf "
    "ker lg lim liminf limsup ln log max min mod poly polylog sec sgn sign sin sinh sup supp tan "
    "tanh tr Pr Tr rank span diag"
)

TEXT_LETTERS = names("aa AA ae AE dh DH dj DJ i j l L ng NG o O oe OE ss th TH")
"""Letters: TeX eats the blank that ends their name, and the word goes on."""

SUPERSCRIPTS = dict(
    zip(
        "0123456789+-−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδφχθ",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᵠᵡᶿ",
        strict=True,
    )
)
SUBSCRIPTS = dict(
    zip(
        "0123456789+-−=()aehijklmnoprstuvxβγρφχ",
        "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ",
        strict=True,
    )
)
RAISED = frozenset("∘*∗⋆†‡′⊤⊥")
"""Signs that stand high by themselves; the ring is a degree."""
LOWERED = frozenset("⊙⊕☉∗*")
"""Signs that need no lowering to be understood: M⊙."""

UNSPACED = frozenset("∞∂∇∑∏∐∫∬∭∮⋃⋂⨁⨂⋁⋀∀∃∄∅√∛∜¬⊤⊥∠∆℘")
"""Mathematical signs that are no relation and no operation between two sides."""

# Missing in pylatexenc, or another sign than a reader expects.
_OWN = {
    "Box": "□",
    "Cref": None,
    "Im": "ℑ",
    "LaTeX": "LaTeX",
    "LaTeXe": "LaTeX2e",
    "Longleftrightarrow": "⇔",
    "Longrightarrow": "⇒",
    "Lsun": "L⊙",
    "Msun": "M⊙",
    "P": "¶",
    "Re": "ℜ",
    "Rsun": "R⊙",
    "S": "§",
    "TeX": "TeX",
    "autoref": None,
    "arcmin": "′",
    "arcsec": "″",
    "bigstar": "★",
    "bot": "⊥",
    "checkmark": "✓",
    "cite": None,
    "citep": None,
    "citet": None,
    "colon": ":",
    "coloneqq": "≔",
    "copyright": "©",
    "cref": None,
    "ddag": "‡",
    "ddagger": "‡",
    "degr": "°",
    "degree": "°",
    "diamond": "⋄",
    "epsilon": "ϵ",
    "eps": "ε",
    "eqref": None,
    "etal": "et al.",
    "eg": "e.g.",
    "euro": "€",
    "exists": "∃",
    "gets": "←",
    "ie": "i.e.",
    "iff": "⇔",
    "implies": "⇒",
    "impliedby": "⇐",
    "infty": "∞",
    "kms": "km s⁻¹",
    "land": "∧",
    "ldots": "…",
    "lor": "∨",
    "longrightarrow": "→",
    "longleftarrow": "←",
    "lq": "‘",
    "lt": "<",
    "gt": ">",
    "mid": "∣",
    "micron": "μm",
    "mum": "μm",
    "msun": "M⊙",
    "natexlab": None,
    "ne": "≠",
    "neg": "¬",
    "owns": "∋",
    "pounds": "£",
    "prime": "′",
    "reals": "ℝ",
    "ref": None,
    "restriction": "↾",
    "rq": "’",
    "farcm": "′.",
    "farcs": "″.",
    "fdg": "°.",
    "bigO": "O",
    "BigO": "O",
    "bigo": "O",
    "Oh": "O",
    "NP": "NP",
    "Otilde": "Õ",
    "top": "⊤",
    "textalpha": "α",
    "textbar": "|",
    "textbeta": "β",
    "textgamma": "γ",
    "textdelta": "δ",
    "textgreater": ">",
    "textless": "<",
    "textmu": "µ",
    "textquotedbl": '"',
    "textunderscore": "_",
    "textemdash": "—",
    "textendash": "–",
    "today": None,
    "upmu": "μ",
    "varOmega": "Ω",
    "varUpsilon": "Υ",
    "vspace": None,
    "Vert": "‖",
    "lVert": "‖",
    "rVert": "‖",
    "vert": "|",
}


def symbol(name: str) -> str | None:
    """The text that the control word *name* stands for, without arguments; None if not known."""
    return _symbols().get(name)


@cache
def styled(alphabet: str, char: str) -> str:
    """*char* in one of the mathematical `ALPHABETS`, if Unicode has it there."""
    if not (char.isascii() and char.isalnum()):
        return char
    kind = "DIGIT" if char.isdigit() else "CAPITAL" if char.isupper() else "SMALL"
    name = unicodedata.name(char).removeprefix("LATIN CAPITAL LETTER ")
    name = name.removeprefix("LATIN SMALL LETTER ").removeprefix("DIGIT ")
    # The oldest letters (ℝ, ℒ, ℭ) have names of their own, outside the block.
    for full in (
        f"MATHEMATICAL {alphabet} {kind} {name}",
        f"{alphabet} {kind} {name}",
        f"{alphabet.replace('FRAKTUR', 'BLACK-LETTER')} {kind} {name}",
    ):
        try:
            return unicodedata.lookup(full)
        except KeyError:
            continue
    return char


def is_between(text: str) -> bool:
    """Whether *text* is a sign that stands between two sides, such as ≤, × or →."""
    return (
        len(text) == 1
        and text not in UNSPACED
        and (unicodedata.category(text) == "Sm" or text in "·•")
    )


@cache
def _symbols() -> dict[str, str]:
    # Imported here: forty milliseconds that most commands and most titles never need.
    from pylatexenc.latex2text import get_default_latex_context_db

    known = get_default_latex_context_db()
    found: dict[str, str | None] = {}
    # The first categories are the ones to be believed.
    for category in reversed(known.category_list):
        for spec in known.iter_macro_specs([category]):
            text = spec.simplify_repl
            if isinstance(text, str) and text.strip() and "%" not in text and "<" not in text:
                found[spec.macroname] = unicodedata.normalize("NFC", text.strip())
    merged = found | _OWN
    return {name: text for name, text in merged.items() if text and name.isalpha()}
