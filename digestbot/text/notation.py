"""
Words whose notation matters: symbols (``H_0``, ``T_c``, ``Tc``) and names with a plus (``UNet++``).

Such a word is noted as the folded word, a ``~``, a mark and the word as written: ``h0~_H0``. The
mark is ``_`` or ``^`` for a symbol with a script, ``=`` for one on the line, ``+`` for a name with
that sign, ``!`` for a Greek letter as a script. A text offers a noted word in several spellings
(`offered`); a term accepts some of them (`accepted`).
"""

import re
import unicodedata
from functools import lru_cache

from digestbot.text.symbols import SUBSCRIPTS, SUPERSCRIPTS, names, without_scripts

NOTE = "~"
"""Separates a word from its notation; never part of a word."""

_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma "
    "sigma tau upsilon phi chi psi omega"
)
GREEK = dict(zip("αβγδεζηθικλμνξοπρςστυφχψω", _NAMES.split(), strict=True))
"""Name of each folded Greek letter."""
GREEK_NAMES = frozenset(GREEK.values())

ELEMENTS = names(
    """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br
    Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho
    Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm
    """
)

_SUBSCRIPT = frozenset("_").union(SUBSCRIPTS.values())
_SUPERSCRIPT = frozenset("^").union(SUPERSCRIPTS.values())
_UNCLOSED = re.compile(r"\([0-9]+\Z")
_SIGNS = re.compile(r"[_^({]")

# Symbols on the line: Tc, pT, fNL, H0, M200c, N2O; words and elements look the same.
_ON_THE_LINE = re.compile(
    r"[A-Z][a-z]|[a-z][A-Z]{1,2}|[A-Za-z][0-9]{1,4}(?:[A-Za-z][0-9A-Za-z]{0,3})?"
)
_NO_SYMBOLS = (ELEMENTS - {"Tc"}) | names(
    "Ad Ah An Do Dr Ed Et Ex Go If Is It Jr Me Mr Ms My No Of Oh Ok On Or Ph So St To Up Us Vs We "
    "By eV dB"
)
_LONG_SCRIPTS = names(
    "eff sun star vir tot max min crit cut obs bol esc iso kin rms inf odd gas jup dust dyn gal"
)
_KNOWN_SYMBOLS = names("nox sox cox mbh mhi muv nhi raa vcb vub vus")
"""Folded symbols whose script is one or two letters that no other rule knows: NOₓ, M_BH, V_cb."""
_LETTER_AND_DIGIT = re.compile(r"[A-Za-zℓ][0-9]")
_AMBIGUOUS = re.compile(r"[A-Za-z][0-9]|[a-z][A-Z]")
_KNOWN_ON_THE_LINE = names("H0 R2 S8")
"""
Symbols that papers also write on the line, unlike others of their kind.

Those are mostly something else there: S3, T1, L2 (a second language), V2, pT (a tumor's stage).
"""
_KNOWN_POWERS = names("L1 L2 Lp R2")
"""Powers that a term can mean without the sign: R2 is R², but T2 is not T²."""
_OPTIONAL_PLUS = names("means kmeans unet net")
"""Last words of k-means++ and UNet++, which a term may mean by the name of what they extend."""


def bare(word: str) -> str:
    """Return the folded *word* without its notation."""
    return word.partition(NOTE)[0]


def is_symbol_on_the_line(raw: str) -> bool:
    """Return True for words that can be a symbol without its script signs: ``Tc``, ``H0``."""
    return len(raw) < 10 and bool(_ON_THE_LINE.fullmatch(raw)) and raw not in _NO_SYMBOLS


def noted_symbol(word: str, raw: str, *, can_be_power: bool = True) -> str:
    """
    Return the folded *word* with its notation if *raw*, as written, is a symbol.

    The notation ends in a dot if it is another symbol: R_(2.2) is not R₂, nor is O(L²) the L².

    Args:
        word: The folded word.
        raw: The same word as written, which may break off within the brackets of a script.
        can_be_power: False for an order of growth and for names such as Graph-S³.
    """
    script = next((k for k, char in enumerate(raw) if _place(char)), 0)
    if not script:
        return f"{word}{NOTE}={raw}" if is_symbol_on_the_line(raw) else word
    rest = _cased(raw[script:])
    written = _cased(raw[:script]) + (rest.lower() if rest.isalpha() and len(rest) > 2 else rest)
    is_noted = written.isalnum() and written[0].isalpha()
    place = _place(raw[script])
    is_part = _UNCLOSED.search(raw) and _LETTER_AND_DIGIT.fullmatch(written)
    note = f"{place}{written}{'.' if is_part or (place == '^' and not can_be_power) else ''}"
    return f"{word}{NOTE}{note}" if is_noted else word


def noted_plus(word: str, signs: str) -> str:
    """Return the folded *word* with the plus *signs* that follow it."""
    return f"{word}{NOTE}{'+' * len(signs)}"


def noted_letter(name: str, raw: str, script: str) -> str:
    """Return the *name* of the Greek letter *raw*, with the place of the *script* after it."""
    written = name.capitalize() if raw[0].isupper() else name
    return f"{name}{NOTE}{_place(script)}{written}"


def noted_script(word: str) -> str:
    """Return the notation of a *word* that is itself a script: a Greek letter, or L² of σ_L²."""
    folded, is_noted, noted = word.partition(NOTE)
    if not is_noted:
        return f"{word}{NOTE}!{word}"
    return f"{word}." if noted[:1] in "_^" else folded


def offered(word: str) -> tuple[str, ...]:
    """Return the other spellings under which a text has the noted *word*."""
    folded, _, noted = word.partition(NOTE)
    match noted[:1]:
        case "=":
            return (folded,)
        case "+":
            return folded, f"{folded}{NOTE}"
        case "_" | "^":
            read = _read(noted[1:])
            plain = [f"{folded}{NOTE}{one}" for one in read if _is_clear(noted[0], one)]
            scripted = [f"{folded}{NOTE}{noted[0]}{one}" for one in read if one != noted[1:]]
            return (f"{folded}{NOTE}", *plain, *scripted)
    return ()


def accepted(word: str) -> frozenset[str]:
    """Return the spellings that the noted *word* of a term accepts, plurals apart."""
    folded, _, noted = word.partition(NOTE)
    mark, written = noted[:1], noted[1:]
    if mark == "=":
        is_lower = written == written.lower()
        return frozenset((folded, f"{folded}{NOTE}{'' if is_lower else written}"))
    if mark == "+":
        is_optional = noted == "++" and folded in _OPTIONAL_PLUS
        return frozenset((word, folded) if is_optional else (word,))
    if not mark:
        return frozenset((word,))
    if mark == "!" or folded in GREEK_NAMES:
        return frozenset((word, folded))
    if written.endswith("."):
        return frozenset((word,))
    return frozenset((*_read(word), *_on_the_line(folded, written)))


@lru_cache(maxsize=1 << 16)
def may_have_script(word: str) -> bool:
    """Return True if the folded *word*, in any case, can be a symbol with a script."""
    if word.isalpha():
        is_known = word in _KNOWN_SYMBOLS or word in GREEK_NAMES
        return is_known or (len(word) < 8 and word[1:] in _LONG_SCRIPTS)
    return word[:1].isalpha() and word.isalnum()


def _is_clear(place: str, written: str) -> bool:
    """Return True if a term can mean this symbol by writing it on the line."""
    if written.endswith("."):
        return False
    return place == "_" or not is_symbol_on_the_line(written) or written in _KNOWN_POWERS


def _on_the_line(folded: str, written: str) -> tuple[str, ...]:
    """Return the spelling of the symbol *written* without its script signs, if it is clear."""
    if is_symbol_on_the_line(written):
        is_unclear = _AMBIGUOUS.fullmatch(written) and written not in _KNOWN_ON_THE_LINE
        return () if is_unclear else (f"{folded}{NOTE}={written}",)
    letters = re.match("[a-z]*", folded)
    is_clear = letters is not None and (
        len(letters[0]) > 3 or (letters[0] != folded and len(letters[0]) > 1)
    )
    return (folded,) if is_clear else ()


def _read(written: str) -> tuple[str, ...]:
    """Return *written*, with a script ℓ in both of its readings."""
    if "ℓ" not in written:
        return (written,)
    return written.replace("ℓ", "l"), written.replace("ℓ", "L")


def _place(char: str) -> str:
    """Return "_" or "^" if *char* begins a script, else an empty text."""
    return "_" if char in _SUBSCRIPT else "^" if char in _SUPERSCRIPT else ""


def _cased(raw: str) -> str:
    """Return *raw* on the line, without accents, in its own case."""
    text = _SIGNS.sub("", without_scripts(raw))
    if text.isascii():
        return text
    found = unicodedata.normalize("NFKD", text.replace("ℓ", "\0"))
    kept = "".join(char for char in found if not unicodedata.combining(char))
    return unicodedata.normalize("NFKC", kept).replace("\0", "ℓ")
