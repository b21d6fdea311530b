r"""
Unicode text of LaTeX macros: pylatexenc's table with additions and corrections.

pylatexenc is imported at the first lookup. Begin at `symbol`.
"""

import re
import unicodedata
from functools import cache


def names(text: str) -> frozenset[str]:
    """Split *text* into a set of words; keeps tables readable."""
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
"""Combining mark of each text accent."""

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
"""Macros that nearly every author defines this way; in formulas only."""

LINES = {"overline": "\u0305", "underline": "\u0332"}
"""Math accents that may span several letters; the mark follows each one."""

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
"""Alphabets that distinguish symbols in mathematics, unlike bold and italics."""

OPERATORS = names(
    "arccos arcsin arctan arg argmax argmin cos cosh cot coth csc deg det dim erf exp gcd hom inf "
    "ker lg lim liminf limsup ln log max min mod poly polylog sec sgn sign sin sinh sup supp tan "
    "tanh tr Pr Tr rank span diag"
)

TEXT_LETTERS = names("aa AA ae AE dh DH dj DJ i j l L ng NG o O oe OE ss th TH")
"""Macros for letters; TeX drops the space after their name, so the word continues."""

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
_ON_THE_LINE = str.maketrans(
    {sign: plain for plain, sign in (*SUPERSCRIPTS.items(), *SUBSCRIPTS.items()) if plain != "−"}
)
_SCRIPT = re.compile(f"[{''.join(map(chr, _ON_THE_LINE))}]")


def without_scripts(text: str) -> str:
    """Replace each sub- or superscript by its plain character, of the same length."""
    # Few texts have such a sign, and finding none takes a sixth of the time of translating.
    return text if text.isascii() or not _SCRIPT.search(text) else text.translate(_ON_THE_LINE)


RAISED = frozenset("∘*∗⋆†‡′⊤⊥")
"""Signs that are raised already; a raised ring is a degree sign."""
LOWERED = frozenset("⊙⊕☉∗*")
"""Signs that read well as subscripts on the line: M⊙."""

UNSPACED = frozenset("∞∂∇∑∏∐∫∬∭∮⋃⋂⨁⨂⋁⋀∀∃∄∅√∛∜¬⊤⊥∠∆℘")
"""Mathematical signs that are neither relations nor binary operators."""

# Missing in pylatexenc, or with an unexpected sign there; None hides its text.
_OVERRIDES = {
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
    """Return the text of the control word *name*. None if it is unknown or takes arguments."""
    return _symbols().get(name)


@cache
def styled(alphabet: str, char: str) -> str:
    """Return *char* in one of the mathematical `ALPHABETS`, if Unicode has it."""
    if not (char.isascii() and char.isalnum()):
        return char
    kind = "DIGIT" if char.isdigit() else "CAPITAL" if char.isupper() else "SMALL"
    name = unicodedata.name(char).removeprefix("LATIN CAPITAL LETTER ")
    name = name.removeprefix("LATIN SMALL LETTER ").removeprefix("DIGIT ")
    # The oldest letters (ℝ, ℒ, ℭ) are outside the block and have other names.
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
    """Return True if *text* is a binary sign, such as ≤, × or →."""
    return (
        len(text) == 1
        and text not in UNSPACED
        and (unicodedata.category(text) == "Sm" or text in "·•")
    )


@cache
def _symbols() -> dict[str, str]:
    # Imported here: it takes 40 ms, and most commands and titles never need it.
    from pylatexenc.latex2text import get_default_latex_context_db

    known = get_default_latex_context_db()
    found: dict[str, str | None] = {}
    # Earlier categories take precedence.
    for category in reversed(known.category_list):
        for spec in known.iter_macro_specs([category]):
            text = spec.simplify_repl
            if isinstance(text, str) and text.strip() and "%" not in text and "<" not in text:
                found[spec.macroname] = unicodedata.normalize("NFC", text.strip())
    merged = found | _OVERRIDES
    return {name: text for name, text in merged.items() if text and name.isalpha()}
