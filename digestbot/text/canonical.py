"""
Split text into canonical words: one spelling for what authors write in several ways.

A Greek letter becomes its name, a script joins its base (``H₀``, ``H_0`` → ``h0``), a genitive
``'s`` and the plus of ``UNet++`` are dropped, a version is split off (``ResNet50`` → ``resnet``,
``50``). Hyphenated words form a *compound*, whose words can also be read as one. Papers and terms
are split the same way. Begin at `canonical_words`.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby, pairwise
from typing import NamedTuple

from digestbot.text.notation import (
    ELEMENTS,
    GREEK,
    GREEK_NAMES,
    NOTE,
    bare,
    is_symbol_on_the_line,
    noted_letter,
    noted_plus,
    noted_script,
    noted_symbol,
    offered,
)
from digestbot.text.symbols import names, without_scripts
from digestbot.text.tokens import Word, fold, words

RULES = f"3/{unicodedata.unidata_version}"
"""
Version of these rules, and of Python's Unicode data.

Increase the first number with every change to the result of `canonical_words`: stored words carry
the version they were made with, and words of another version are ignored until they are rebuilt.
"""

JOINED_MAX = 3
"""Maximum words of a compound, or of a term, that are read as one."""


class CanonicalWord(NamedTuple):
    """One canonical word and its position in the text."""

    text: str
    start: int
    end: int
    is_attached: bool
    """True if it continues the compound of the previous word."""


_UNITS = frozenset("aAfFgGhHJKlLMmNOsSTVW") | {"as", "eV", "Hz", "Jy", "mag", "rad"}
"""What follows the µ of micrometre, microsecond …"""

_SYMBOL = "|".join(sorted(ELEMENTS, key=len, reverse=True))
_COMMON_IONS = names("h na k li ca ca2 mg mg2 fe2 fe3 zn2 cu2 mn2 al3 ag au")
"""Ions that are also recognized in lower case, as typed in a filter."""

# Spaces that stand for a hyphen: "non linear", "HEK 293", "C II".
_PREFIXES = (
    "non|pre|post|anti|multi|semi|sub|super|ultra|inter|intra|micro|nano|macro|meta|hyper|quasi|"
    "pseudo|bi|tri|auto|bio|geo|neuro|electro|photo|magneto|spatio|thermo|hydro|cyber|counter|"
    "infra|mono|poly|trans|un|re|co|de"
)
_NO_NAMES = "an?|in|of|to|the|and|for|by|at|as|is|on|or|are|was|we|all|any|but|nor|per|vs|via"
_ION_SYMBOL = "|".join(sorted(ELEMENTS - names("As At In I"), key=len, reverse=True))
_BEFORE_NUMBER = re.compile(
    rf"(?<![^\s(\[/])(?!(?:{_NO_NAMES})\Z)(?:[a-z]{{1,3}}|ages|aged)\Z", re.IGNORECASE
)
_BEFORE_NUMERAL = re.compile(rf"(?<![^\s(\[/])(?:{_ION_SYMBOL})\Z")
_BEFORE_YEARS = re.compile(r"(?<![\w.,])[0-9]{1,3}\+?\Z")
_AFTER_SPACE = re.compile(
    r" (?:([0-9])|[IVXivx]+(?![^\W_])|(years)(?= (?:old|of age|(?:and|or) (?:above|older|over))))"
)
_PREFIX = re.compile(rf"(?<![^\s(\[/])(?:{_PREFIXES}) (?=[^\W\d_]{{3}})", re.IGNORECASE)
_PREFIX_WORDS = frozenset(_PREFIXES.split("|")) | {
    prefix.capitalize() for prefix in _PREFIXES.split("|")
}

_BREAKS = '.,;:!?"'
"""Punctuation that always separates compounds; fewer distinct tokens fill the cache."""
_TOKEN = re.compile(r"[^\s.,;:!?\"]+")

_HYPHENS = "-\u2010\u2011\u2012\u2013\u2212"
_TIGHT = re.compile(rf"[{_HYPHENS}]{{1,2}}|[{_HYPHENS}]\)|['’ʼ@]|}}{{")
_SCRIPT = re.compile(r"[_^][({]?")
# No phrase continues through a product, or from a Greek sign to σ(Δ) and σ* anything.
_OPERATORS = frozenset("·⋅∗")
_ENDS_PHRASE = re.compile("[*∗·⋅]|\\([α-ωΑ-Ω]")
# O(L²) is an order of growth; Graph-S³ and S³-FT are names.
_ORDER_OR_NAME = re.compile(rf"[OoÕ𝒪ΘΩΟ]\(\Z|[{_HYPHENS}]\Z")
_NAME_AFTER = re.compile(rf"[{_HYPHENS}][A-Z]{{2}}")
_APOSTROPHES = frozenset("'’‘ʼ")
# YOLOv8n, Gemma2b, BraTS2020; not Real3D, Style30k or word2vec.
_VERSION = re.compile(r"([a-z]{4,}?)(v[0-9]{1,3}[a-z]?|[0-9]{1,4}[bclmnosx]?)")
_SIMPLE = re.compile(r"[A-Za-z]+")
_PLAIN = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_LIKE_SYMBOL = re.compile(r"(?<![a-zA-Z])(?:[A-Z][a-z]|[a-z][A-Z]{1,2})(?![a-zA-Z])")
"""A symbol of letters on the line, or an element; see `is_symbol_on_the_line`."""
_LONGEST_CACHED = 40


def canonical_words(text: str) -> tuple[CanonicalWord, ...]:
    """
    Split *text* into canonical words with their positions.

    Words that a hyphen joins, or a space that stands for one (``non linear``, ``HEK 293``,
    ``C II``), belong to one compound.
    """
    return tuple(
        CanonicalWord(word.text, start + word.start, start + word.end, word.is_attached)
        for found in _TOKEN.finditer(_with_hyphens(text, _tokens(text)))
        for start in (found.start(),)
        for word in _token_words(found[0])
    )


def compounds(text: str) -> list[str]:
    """Return the compounds of *text*, each with its words joined by hyphens."""
    return _packed_text(text).split()


def pack_words(text: str) -> str:
    """Join the compounds of *text* into one text for the store, with the version of the rules."""
    return RULES + _packed_text(text)


def _packed_text(text: str) -> str:
    # Words repeat, so most of the work is one look-up per word: 0.1 ms for an abstract.
    tokens = _tokens(text)
    hyphenated = _with_hyphens(text, tokens)
    if hyphenated is not text:
        tokens = _tokens(hyphenated)
    return "".join(map(_PACKED.__getitem__, tokens))


def _tokens(text: str) -> list[str]:
    """Split *text* at spaces and at punctuation that always separates compounds."""
    for sign in _BREAKS:  # `str.translate` takes ten times as long
        text = text.replace(sign, " ")
    return text.split()


def unpack_words(packed: str | None) -> str | None:
    """Return the compounds from `pack_words`, in one text. None if missing or of other rules."""
    if packed is None or not f"{packed} ".startswith(f"{RULES} "):
        return None
    return packed[len(RULES) + 1 :]


def compound_readings(words: Sequence[str]) -> list[tuple[int, int, str]]:
    """
    Return the runs of a compound's *words* that can be read as one: start, end and the joined word.

    ``re-form`` and a few others mean something else than the joined word.
    """
    found = [
        (start, end, one)
        for start, end in _runs(len(words))
        if (joined := _joined(words[start:end]))
        and joined not in _DIFFERENT
        and not (end - start == len(joined) > 2)  # letters one by one
        for one in _joined_in_text(joined, words[start:end])
    ]
    found += [(k, k + 1, one) for k, word in enumerate(words) for one in offered(word)]
    return found + [(k, k + 1, noted_plus(words[k], "+")) for k in _ages(words)]


def _ages(words: Sequence[str]) -> list[int]:
    """Return the places of ages, such as ``aged 65`` and ``65 years``, which ``65+`` finds."""
    if _AGE_WORDS.isdisjoint(words):
        return []
    sides = zip(("", *words), words, (*words[1:], ""), (*words[2:], "", ""), strict=False)
    return [
        place
        for place, (before, word, after, next_) in enumerate(sides)
        if word.isdigit()
        and (before in _AGED or after == "years" or (after, next_) == ("year", "old"))
    ]


_AGED = names("age aged ages")
_AGE_WORDS = _AGED | {"year", "years"}


def term_readings(words: Sequence[str]) -> list[tuple[int, int, str]]:
    """
    Return the runs of a term's *words* that may be one word in a paper, as `compound_readings`.

    The words of a term may stand apart by mere spaces, so function words are never joined: ``no
    table`` does not find *notable*.
    """
    return [
        (start, end, _joined_in_term(joined, words[start:end]))
        for start, end in _runs(len(words))
        if (joined := _joined(words[start:end])) and _NEVER_JOINED.isdisjoint(words[start:end])
    ]


def _joined_in_text(joined: str, words: Sequence[str]) -> tuple[str, ...]:
    """Return *joined* with the notation of its *words*: σ₈ as ``sigma8~``, U-Net++ in two ways."""
    if NOTE not in "".join(words):
        return (joined,)
    if _has_scripted_letter(words):
        return (f"{joined}{NOTE}",)
    signs = words[-1].partition(f"{NOTE}+")[1:]
    return (joined, joined + "".join(signs)) if signs[0] else (joined,)


def _joined_in_term(joined: str, words: Sequence[str]) -> str:
    """Return *joined* with the notation of its *words*: a joined ``sigma_8`` never has a script."""
    if NOTE not in "".join(words):
        return joined
    if _has_scripted_letter(words):
        return noted_script(joined)
    return joined + "".join(words[-1].partition(f"{NOTE}+")[1:])


def _has_scripted_letter(words: Sequence[str]) -> bool:
    return any(word.startswith(_SCRIPTED_LETTERS) for word in words)


_SCRIPTED_LETTERS = tuple(f"{name}{NOTE}{place}" for name in sorted(GREEK_NAMES) for place in "_^")


_DIFFERENT = names(
    "reform reforms reformed recover recovers resign resigns release recreation resort"
)
_NEVER_JOINED = names("a an and as at be by for in is it no not of or so the to we")


@lru_cache(maxsize=64)
def _runs(count: int) -> tuple[tuple[int, int], ...]:
    return tuple(
        (start, end)
        for start in range(count - 1)
        for end in range(start + 2, min(start + JOINED_MAX, count) + 1)
    )


def _joined(words: Sequence[str]) -> str:
    """
    Join *words*; empty if the result may mean something else.

    That is ``103``, a Greek name or ``pin``, a plural (``alpha_s``), a letter twice (``e+e-``), or
    across the end of a phrase.
    """
    joined = "".join(words)
    if NOTE in joined:
        words = [bare(word) for word in words]
        joined = "".join(words)
    is_twice = len(words) == len(joined) == 2 and words[0] == words[1]
    if joined in GREEK_NAMES or words[-1] == "s" or is_twice or "" in words:
        return ""
    # Nearly all compounds have no digit, and are done here.
    if not joined.isalpha() and any(a[-1].isdigit() and b[0].isdigit() for a, b in pairwise(words)):
        return ""
    is_risky = joined.isalpha() and len(joined) < 6 and not _SHORT_NAMES.isdisjoint(words)
    return "" if is_risky else joined


_SHORT_NAMES = frozenset(name for name in GREEK_NAMES if len(name) < 4)


def _with_hyphens(text: str, tokens: Sequence[str]) -> str:
    """Replace each space that stands for a hyphen by one; *tokens* are those of *text*."""
    places = [
        found.start()
        for found in _AFTER_SPACE.finditer(text)
        if (_BEFORE_NUMBER if found[1] else _BEFORE_YEARS if found[2] else _BEFORE_NUMERAL).search(
            text, max(0, found.start() - 5), found.start()
        )
    ]
    # A regular expression for the prefixes alone would take three times as long as all the rest.
    if not (_PREFIX_WORDS.isdisjoint(tokens) or _PREFIX_WORDS.isdisjoint(text.split(" "))):
        places += [found.end() - 1 for found in _PREFIX.finditer(text)]
    if not places:
        return text
    letters = list(text)
    for place in places:
        letters[place] = "-"
    return "".join(letters)


def _token_words(token: str) -> tuple[CanonicalWord, ...]:
    return _split(token) if len(token) > _LONGEST_CACHED else _known(token)


class _PackedTokens(dict[str, str]):
    """The compounds of each token seen lately; `lru_cache` takes twice as long per look-up."""

    def __missing__(self, token: str) -> str:
        packed = _packed(token)
        if len(self) >= _TOKENS_MAX:
            self.clear()
        if len(token) <= _LONGEST_CACHED:
            self[token] = packed
        return packed


_TOKENS_MAX = 1 << 17
"""A month of papers has about as many; 20 MB."""
_PACKED = _PackedTokens()


def _packed(token: str) -> str:
    """Return the compounds of *token*, which has no spaces, each after a space."""
    inner = token.strip("()[]'")
    # Most new tokens are plain; the general way takes ten times as long.
    if _PLAIN.fullmatch(inner) and (inner.islower() or not _LIKE_SYMBOL.search(inner)):
        return f" {inner.lower()}"
    return "".join(
        f"-{word.text}" if word.is_attached else f" {word.text}" for word in _token_words(token)
    )


@lru_cache(maxsize=1 << 14)
def _known(token: str) -> tuple[CanonicalWord, ...]:
    return _split(token)


def _split(token: str) -> tuple[CanonicalWord, ...]:
    if _SIMPLE.fullmatch(token) and not is_symbol_on_the_line(token):
        return (CanonicalWord(token.lower(), 0, len(token), False),)
    if token in _OPERATORS:
        return (CanonicalWord(NOTE, 0, 1, False),)
    out: list[CanonicalWord] = []
    for word in _with_scripts(token, _without_genitives(token, words(token))):
        gap = token[out[-1].end : word.start] if out else " "
        is_attached = bool(_TIGHT.fullmatch(gap) or _SCRIPT.fullmatch(gap))
        for part in _parts(token, word):
            out.append(CanonicalWord(*part, is_attached))
            is_attached = True
    return tuple(_with_scripted_letters(token, out))


def _with_scripted_letters(token: str, found: Sequence[CanonicalWord]) -> Iterator[CanonicalWord]:
    """Yield the words, with the notation of Greek letters that have a script or are one."""
    is_script = False
    for word, after in zip(found, (*found[1:], None), strict=False):
        if word.text not in GREEK_NAMES:
            is_symbol = is_script and NOTE in word.text
            yield word._replace(text=noted_script(word.text)) if is_symbol else word
            is_script = False
            continue
        script = _script_sign(token, word.end, after)
        yield word._replace(text=_letter(token, word, script, is_script=is_script))
        if not script and _ENDS_PHRASE.match(token, word.end) and not token[word.start].isascii():
            yield CanonicalWord(NOTE, word.end, word.end + 1, False)
        is_script = bool(script)


def _letter(token: str, word: CanonicalWord, script: str, *, is_script: bool) -> str:
    if is_script:
        return noted_script(word.text)
    return noted_letter(word.text, token[word.start : word.end], script) if script else word.text


def _script_sign(token: str, end: int, after: CanonicalWord | None) -> str:
    """Return the sign that makes the word *after* a script of what ends at *end*, if any."""
    if after is None or not after.is_attached:
        return ""
    char = token[end : after.start + 1][0]
    return char if char in "_^" or without_scripts(char) != char else ""


def _without_genitives(token: str, found: Sequence[Word]) -> Iterator[Word]:
    """Yield the words without an ``s`` after an apostrophe."""
    for before, word in zip((None, *found), found, strict=False):
        is_genitive = word.text == "s" and before and token[before.end : word.start] in _APOSTROPHES
        if not is_genitive:
            yield word


def _with_scripts(token: str, found: Iterator[Word]) -> Iterator[Word]:
    """Join each sub- or superscript to its base: ``H_0``, ``N_eff``, ``PM_(2.5)``."""
    base: Word | None = None
    for word in found:
        if base is not None and _is_script(token, base, word):
            base = Word(base.text + word.text, base.start, word.end)
            continue
        if base is not None:
            yield base
        base = word
    if base is not None:
        yield base


def _is_script(token: str, base: Word, script: Word) -> bool:
    """Return True if *script* is written as a script of *base*, not as in ``max_iter``."""
    if not _SCRIPT.fullmatch(token[base.end : script.start]):
        return False
    if not (fold(token[base.start]).isalnum() and fold(token[script.start]).isalnum()):
        return False  # one of the two words of ¼
    if {base.text, base.text + script.text} & GREEK_NAMES or base.text[-1] in GREEK:
        return False
    return len(base.text) < 3 or len(script.text) < 3 or script.text[0].isdigit()


def _parts(token: str, word: Word) -> Iterator[tuple[str, int, int]]:
    """Yield the canonical words of one run of letters, digits and signs."""
    text, start, end = word
    raw = token[start:end]
    if text[-1] in "+#":
        yield from _signed_parts(token, word)
    elif text in GREEK_NAMES and without_scripts(raw) != raw:
        yield from _letters_apart(raw, start)
    elif any(char in GREEK for char in text):
        yield from _greek_parts(text, raw, start, end)
    elif (found := _VERSION.fullmatch(text)) and _is_version(found[2], raw):
        middle = end - len(found[2])
        yield found[1], start, middle
        yield found[2], middle, end
    else:
        is_other = _ORDER_OR_NAME.search(token, max(0, start - 2), start)
        can_be_power = not is_other and not _NAME_AFTER.match(token, end)
        yield noted_symbol(text, raw, can_be_power=can_be_power), start, end


def _signed_parts(token: str, word: Word) -> Iterator[tuple[str, int, int]]:
    """Yield the parts of a word with signs: C++, Na⁺, and ``UNet++`` with the plus as notation."""
    text, start, end = word
    raw = token[start:end]
    known = _with_known_sign(text, without_scripts(raw))
    if known == text:
        yield text, start, end
        return
    unsigned = raw.rstrip("+#\uff0b\uff03⁺₊")
    *parts, (last, place, _) = _parts(token, Word(known, start, start + len(unsigned)))
    yield from parts
    signs = text[len(known) :]
    yield (noted_plus(bare(last), signs) if signs.strip("+") == "" else last), place, end


def _with_known_sign(text: str, raw: str) -> str:
    """Drop the signs at the end of *text*, except those of C++, C#, F# and ions."""
    bare, cased = text.rstrip("+#"), raw.rstrip("+#")
    sign = text[len(bare) :]
    if (bare, sign) in (("c", "++"), ("c", "#"), ("f", "#")):
        return text
    is_ion = bare in _COMMON_IONS or _ion().fullmatch(cased)
    return text if sign == "+" and is_ion else bare


def _greek_parts(text: str, raw: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Split Greek letters off: ``TNFα`` → tnf alpha, ``ΛCDM`` → lambda cdm."""
    if len(text) > 2 and all(char in GREEK for char in text):
        yield text, start, end  # a Greek word
        return
    folded = fold(raw)
    if folded[:1] == "μ" and raw[1:] in _UNITS:
        yield f"u{text[1:]}", start, end
        return
    place = start
    for key, run in groupby(_letters(raw), key=lambda letter: GREEK.get(letter[0], "")):
        letters = list(run)
        groups = [[letter] for letter in letters] if key else [letters]
        for group in groups:
            size = sum(size for _, size in group)
            yield key or "".join(letter for letter, _ in group), place, place + size
            place += size


def _letters_apart(raw: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Split ``xᵢ``, which is not the letter xi."""
    for letter, size in _letters(raw):
        yield letter, start, start + size
        start += size


def _letters(raw: str) -> list[tuple[str, int]]:
    """Return the folded letters of *raw*, each with the length of its source, marks included."""
    out: list[tuple[str, int]] = []
    for char in raw:
        folded = fold(char)
        if not folded and out:
            out[-1] = out[-1][0], out[-1][1] + 1
        else:
            out.append((folded, 1))
    return out


def _is_version(version: str, raw: str) -> bool:
    """Return True unless *raw* is a formula, or has a capital as in ``Group3M``: only 2B is one."""
    is_capital = version[0] != "v" and version[-1] != "b" and raw[-1].isupper()
    return not is_capital and not _is_formula(raw)


def _is_formula(raw: str) -> bool:
    """Return True for a chemical formula such as ``BaTiO3``, which has an index, not a version."""
    formula = _SCRIPT.sub("", without_scripts(raw))
    return bool(_formula().fullmatch(formula)) and not formula.rstrip("0123456789").isupper()


# These two take 1.2 ms to compile, and most commands need neither.
@cache
def _formula() -> re.Pattern[str]:
    return re.compile(rf"(?:(?:{_SYMBOL})\d*)+")


@cache
def _ion() -> re.Pattern[str]:
    # An element, or a molecule with hydrogen: Na⁺, Ca²⁺, H13CO⁺, NH₄⁺, but not CD4+.
    return re.compile(rf"(?:{_SYMBOL})\d?|(?=.*H(?![a-z]))(?:(?:{_SYMBOL})\d{{0,2}}){{2,4}}")
