"""
Compare authors' names by family name and compatible given names or initials.

A name has several readings: "Van Rossum" is a family name or one with a given name; "Zhang
Xiaoming" has its family name first. Two names match if one reading of each agree. Names are folded
before comparison, so accents, case, hyphens and apostrophes are ignored. Begin at `name_matches`.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from digestbot.filters.surnames import (
    EAST_ASIAN,
    is_pinyin,
    is_spanish,
    is_syllable,
    second_letters,
)
from digestbot.text import folded_words, plain

PARTICLES = frozenset({
    "abu", "af", "ait", "al", "av", "bar", "ben", "bin", "d", "da", "dal", "dalla", "das", "de",
    "degli", "dei", "del", "della", "delle", "dello", "den", "der", "des", "di", "do", "dos", "du",
    "el", "ibn", "la", "las", "le", "les", "lo", "los", "of", "op", "san", "te", "ten", "ter",
    "van", "vander", "vom", "von", "y", "zu", "zum", "zur",
})  # fmt: skip
"""Words that start a family name and may be left out: "van der Waals", "de la Cruz"."""
ARTICLES = frozenset({"al", "d", "de", "el"})
"""Particles that may be attached to a family name: "Al-Rfou", "D'Angelo"."""
PREFIXES = frozenset({"fitz", "mac", "mc", "o", "saint", "st", "ste"})
"""Words that start a family name and belong to it: "O Brien", "St. John"."""
GROUPS = frozenset({
    "alliance", "collaboration", "collaborations", "committee", "consortia", "consortium", "group",
    "groups", "initiative", "investigators", "network", "project", "team", "teams",
})  # fmt: skip
"""Last words of group authors, whose whole name counts as the family name."""
_FRENCH = frozenset({"la", "le"})
SUFFIXES = frozenset({"jr", "sr", "jnr", "snr", "ii", "iii", "iv"})
MAX_SPLIT = 5
"""Words of the longest family name that is told from given names only by trying."""

_DOTTED = re.compile(r"\W?[^\W\d_]\.")
_CAPITALS = re.compile(r"[^\W\d_](?:-?[^\W\d_]){1,2}")
_BEHALF = re.compile(r"\b(?:on behalf of|for|representing) ", re.IGNORECASE)
_AND = re.compile(r",? (?:and|&) |, ", re.IGNORECASE)
_TRANSLITERATED = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"}
    | {"Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Å": "Aa", "Ø": "Oe"}
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a name; all words are folded."""

    family: str
    """The words of the family name, joined."""
    bare: str
    """The same without particles."""
    given: tuple[str, ...] = ()
    """Names or initials; empty if only the family name is known."""
    is_certain: bool = True
    """False for a guess: then the given names must agree in full."""
    is_partial: bool = False
    """True for a guess that has only the first of two family names."""


def name_matches(wanted: str, author: str) -> bool:
    """
    Return True if *author*, as printed on a paper, may be the person or group *wanted*.

    A family name alone matches everyone with that name. Given names and initials must be compatible
    where both names have them: "Ion Stoica" matches "I. Stoica" and "Ion A. Stoica", but not "Ivan
    Stoica".
    """
    printed = _printed(author)
    return any(_matches(one, printed) for one in readings(wanted))


def wanted_keys(wanted: str) -> set[str]:
    """
    Return lookup keys of a wanted name: a joined family name and the first letter of a given name.

    Every author that `name_matches` accepts shares one of these with its `printed_keys`: families
    are compared joined, and compatible given names begin with the same letter.
    """
    return {
        f"{family} {one.given[0][0] if one.given else ''}"
        for one in readings(wanted)
        for family in _families(one)
    }


def printed_keys(author: str) -> set[str]:
    """Return lookup keys of a printed name, with and without its first letter."""
    return {
        f"{family} {letter}"
        for family, its_readings in _printed(author).items()
        for one in its_readings
        for letter in ("", *(name[0] for name in one.given[:1]))
    }


def wanted_letters(wanted: str) -> set[str]:
    """Return runs of letters, one of which is in the `printed_letters` of every match."""
    found = {_rarest(one) for one in readings(wanted)}
    return {run for run in found if not any(run != other and other in run for other in found)}


def printed_letters(author: str) -> str:
    """
    Return the letters of a printed name, repeated once, to contain every reading of its family.

    A family name is a run of words of the printed name or of its rotation ("Gogh, Vincent van").
    Empty if only parsing the name can tell.
    """
    found = author.lower().replace(".", " ").replace("-", " ").split()
    letters = "".join(found)
    if not (author.isascii() and letters.isalnum()):
        text = _composed(author)
        if _NEEDS_PARSING.search(author) or _NEEDS_PARSING.search(text):
            return ""
        found = folded_words(text)
        letters = "".join(found)
    return letters * 2 if _SKIPPED.isdisjoint(found) else ""


_NEEDS_PARSING = re.compile(rf"[,\\$&{''.join(map(chr, _TRANSLITERATED))}]")
_SKIPPED = SUFFIXES | {"and", "behalf", "representing"}


@lru_cache(maxsize=4096)
def readings(text: str) -> tuple[Reading, ...]:
    """Return every way to read *text* as a name; empty if it is none."""
    composed = _composed(text)
    spellings = dict.fromkeys((composed, composed.translate(_TRANSLITERATED)))
    return tuple(dict.fromkeys(one for spelling in spellings for one in _read(spelling)))


@lru_cache(maxsize=4096)
def _printed(author: str) -> Mapping[str, tuple[Reading, ...]]:
    """Group the readings of a printed name by family name, with and without particles."""
    found: dict[str, tuple[Reading, ...]] = {}
    for one in readings(author):
        for family in {one.family, one.bare}:
            found[family] = (*found.get(family, ()), one)
    return found


def _composed(text: str) -> str:
    is_plain = text.isascii() and "\\" not in text and "$" not in text
    return text if is_plain else unicodedata.normalize("NFC", plain(text, one_line=True))


# comparison


def _families(wanted: Reading) -> Iterable[str]:
    """Return the family names to look for: "Waals" is "van der Waals" if the given names agree."""
    return {wanted.family, wanted.bare} if wanted.given else {wanted.family}


def _matches(wanted: Reading, printed: Mapping[str, tuple[Reading, ...]]) -> bool:
    return any(
        _agree(wanted, other)
        for family in _families(wanted)
        for other in printed.get(family, ())
        # "van Berg" differs from "von Berg", though both are "Berg" without particles.
        if family in (wanted.family, other.family)
    )


def _agree(wanted: Reading, author: Reading) -> bool:
    if not wanted.given:
        return author.is_certain
    if not author.given:
        return False
    if not (wanted.is_certain and author.is_certain):
        name = _full(wanted.given)
        return bool(name) and name == _full(author.given) and not _both_partial(wanted, author)
    if wanted.family in EAST_ASIAN and _are_other_initials(wanted.given, author.given):
        return False
    return _given_match(wanted.given, author.given)


def _are_other_initials(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Return True for X. L. or X. Lucy and Xiaoming, a given name of two syllables."""
    initials, name = (left, right) if len(right) == 1 else (right, left)
    if len(name) != 1 or len(initials) != 2 or len(initials[0]) > 1:
        return False
    letters, second = second_letters(name[0]), initials[1]
    is_same = second[0] in letters and (len(second) == 1 or name[0].endswith(second))
    return bool(letters) and not is_same


def _both_partial(wanted: Reading, author: Reading) -> bool:
    return wanted.is_partial and author.is_partial


def _full(given: tuple[str, ...]) -> str:
    """Join the given names, without initials at the end; empty if there are only initials."""
    end = len(given)
    while end and len(given[end - 1]) == 1:
        end -= 1
    return _joined_given(given[:end])


def _given_match(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Match the first names, then each of the shorter list with one of the longer, in order."""
    if _joined_given(left) == _joined_given(right):
        return True
    if len(left[0]) == 1 or len(right[0]) == 1:  # "X. M." is compared with each of "Xiao-Ming"
        left, right = _syllables(left), _syllables(right)
    if not _same_given(left[0], right[0]):
        return _joined_initials(left, right) or _joined_initials(right, left)
    few, many = sorted((left[1:], right[1:]), key=len)
    rest = iter(many)
    return all(any(_same_given(one, other) for other in rest) for one in few)


def _joined_given(given: tuple[str, ...]) -> str:
    return "".join(given).replace("-", "")


def _syllables(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for name in given for part in name.split("-"))


def _same_given(one: str, other: str) -> bool:
    """Return True if the names are equal or one is the initial of the other."""
    if len(one) == 1 or len(other) == 1:
        return one[0] == other[0]
    return one == other


def _joined_initials(short: tuple[str, ...], full: tuple[str, ...]) -> bool:
    """Return True if *short* is the joined initials of *full*: "JP" for "Jean Pierre"."""
    full = _syllables(full)
    initials = "".join(name[0] for name in full)
    return len(short) == 1 and len(full) > 1 and short[0] == initials


def _rarest(wanted: Reading) -> str:
    """Return letters that every printed name has which agrees with the reading."""
    if wanted.is_certain:
        return wanted.bare.removeprefix(_WHOLE).replace(" ", "")
    return max(_full(wanted.given), wanted.bare, key=len)


# reading


@dataclass(frozen=True, slots=True)
class _Token:
    """One word of a name as written, such as ``Jean-Pierre`` or ``J.``."""

    text: str
    words: tuple[str, ...]
    folded: str
    """Its words joined."""
    initials: tuple[str, ...] = ()
    """Its letters if it is an initial or initials run together, such as ``JP``."""


_Tokens = tuple[_Token, ...]
_WHOLE = "="
"""Marks all words of a name, which equal only all words of another."""


def _read(text: str) -> Iterator[Reading]:
    """Yield every reading of *text*, which has no LaTeX."""
    if _last_word(text) in GROUPS:
        yield from _read_group(text)
        return
    before, comma, after = text.partition(",")
    family = _tokens(before, text)
    if not comma and len(family) > 1 and family[-1].initials and family[-1].folded in SUFFIXES:
        yield from _comma_form(family[:-1], family[-1:])  # "Popov II" is I. I. Popov
    if comma or len(family) != 2 or not family[1].initials:
        family = (*family[:1], *_without_suffixes(family[1:]))
    given = _without_suffixes(_tokens(after.replace(",", " "), text))
    if family or given:
        whole = _WHOLE + _apart((*given, *family))
        yield Reading(whole, whole)
    yield from _comma_form(family, given) if family and given else _natural_form(family or given)


# groups


def _last_word(text: str) -> str:
    return text.rstrip("().,; ").rpartition(" ")[2].lower()


def _read_group(text: str) -> Iterator[Reading]:
    """Read "A. Bee on behalf of the X Collaboration" and "the X and Y Collaborations"."""
    person, behalf, group = _behalf(text)
    for name in dict.fromkeys((group, *_members(group))):
        joined = "".join(folded_words(name)).removeprefix("the")
        yield Reading(joined, joined)
    if behalf and person:
        yield from _read(person)


def _behalf(text: str) -> tuple[str, str, str]:
    found = _BEHALF.search(text)
    if found is None:
        return "", "", text
    return text[: found.start()].strip(" ,("), found[0], text[found.end() :]


def _members(group: str) -> Iterator[str]:
    """Split "LIGO Scientific Collaboration and Virgo Collaboration" into its groups."""
    kind = _last_word(group).removesuffix("s")
    for name in _AND.split(group):
        is_whole = _last_word(name) in GROUPS
        yield name.rstrip("().,; ").removesuffix("s") if is_whole else f"{name} {kind}"


# tokens


def _tokens(part: str, name: str) -> _Tokens:
    """Split *part* of a name at blanks and after dots, since "J.P. Morgan" has two initials."""
    texts = part.replace(".", ". ").split()
    found = [(text, tuple(folded_words(text))) for text in texts]
    can_join = any(map(str.islower, name))  # in "LI WEI" capitals mean nothing
    tokens = tuple(_token(text, words, can_join) for text, words in found if words)
    return _with_surnames(tokens)


def _token(text: str, words: tuple[str, ...], can_join: bool) -> _Token:
    folded = "".join(words)
    is_initial = len(folded) == 1 and text[0] != text[0].lower()
    is_joined = can_join and text.isupper() and _CAPITALS.fullmatch(text)
    is_letter = is_initial or is_joined or _DOTTED.fullmatch(text)
    return _Token(text, words, folded, tuple(folded) if is_letter else ())


def _with_surnames(tokens: _Tokens) -> _Tokens:
    """Read "XU Wei" as a family name in capitals, not as the initials X. U."""
    if not any(len(token.initials) > 1 and token.folded in EAST_ASIAN for token in tokens):
        return tokens
    others = (one for one in tokens if not one.initials and one.folded not in PARTICLES)
    if not any(map(_is_east_asian, others)):
        return tokens
    return tuple(
        replace(token, initials=()) if token.folded in EAST_ASIAN else token for token in tokens
    )


def _without_suffixes(tokens: _Tokens) -> _Tokens:
    return tuple(token for token in tokens if token.folded not in SUFFIXES)


def _is_east_asian(token: _Token) -> bool:
    """Return True if the token may be a given name in pinyin, or like "Jong-un"."""
    return is_pinyin(token.folded) or (len(token.words) == 2 and "-" in token.text)


def _is_particle(tokens: _Tokens, place: int) -> bool:
    """Return True if the token belongs to the family name after it."""
    token = tokens[place]
    if _is_dotted(token):
        return len(token.folded) > 1 and token.folded in PREFIXES  # "St.", but not "D."
    if token.folded not in PARTICLES and token.folded not in PREFIXES:
        return False
    is_last = place + 1 == len(tokens)
    if is_last or token.text.islower() or token.folded in _FRENCH:
        return True
    return tokens[place + 1].folded not in EAST_ASIAN  # "Bin" in "Bin Yu" is a given name


# forms of names


def _comma_form(family: _Tokens, given: _Tokens) -> Iterator[Reading]:
    """Read "Family, Given", also with particles at the end: "Gogh, Vincent van"."""
    end = len(given)
    while end > 1 and _is_particle(given, end - 1):
        end -= 1
    family, given = (*given[end:], *family), given[:end]
    yield _reading(family, given)
    if not all(token.initials for token in given):
        yield from _splits((*given, *family))
    yield from _first_surname(family, given)


def _natural_form(tokens: _Tokens) -> Iterator[Reading]:
    """Read a name without a comma."""
    if len(tokens) < 2:
        yield from (_reading(tokens[i:], ()) for i in range(len(tokens)))
        return
    initials = _trailing_initials(tokens)
    if initials:
        yield from _comma_form(tokens[:-initials], tokens[-initials:])
        if _is_dotted(tokens[-1]):
            return
    yield from _splits(tokens)
    yield from _family_first(tokens)
    if len(tokens) > 2:
        yield from _first_surname(tokens[-2:], tokens[:-2])
    yield from _first_surname(tokens[-1:], tokens[:-1])
    if _is_family_alone(tokens):
        yield _reading(tokens, ())


def _trailing_initials(tokens: _Tokens) -> int:
    """Count the initials after the family name: 1 in "Stoica I.", 0 in "J. E"."""
    found = 0
    while found < len(tokens) and tokens[-1 - found].initials:
        found += 1
    return 0 if len(tokens[0].initials) == 1 or found == len(tokens) else found


def _splits(tokens: _Tokens) -> Iterator[Reading]:
    """Read given names first; the family name has its particles, and perhaps more words."""
    is_lower = tokens[0].text.islower() and any(token.text[0].isupper() for token in tokens)
    for start in range(max(1, len(tokens) - MAX_SPLIT), len(tokens)):
        # "Ben" in "Ben Carter" is a given name, unlike "van" in "van der Waals".
        if tokens[start].initials and start < len(tokens) - 1 and not _is_particle(tokens, start):
            continue  # the middle initial of "Ang A. Li"
        if not _is_particle(tokens, start - 1) or (start == 1 and not is_lower):
            yield _reading(tokens[start:], tokens[:start])


def _family_first(tokens: _Tokens) -> Iterator[Reading]:
    if len(tokens[0].initials) == 1:
        return
    known = _known_family(tokens)
    for end in range(1, min(len(tokens), MAX_SPLIT)):
        if not _is_particle(tokens, end - 1):
            yield _reading(tokens[:end], tokens[end:], is_certain=end == known)


def _known_family(tokens: _Tokens) -> int:
    """Count the words that surely are a family name in front: in "ZHANG Wei", "Zhang Xiaoming"."""
    capitals = 0
    while capitals < len(tokens) and tokens[capitals].text.isupper():
        capitals += 1
    if not tokens[0].initials and 0 < capitals < len(tokens):
        return capitals
    first, *rest = tokens
    is_first = first.folded in EAST_ASIAN and rest[-1].folded not in EAST_ASIAN
    return 1 if is_first and all(not t.initials and _is_east_asian(t) for t in rest) else 0


def _first_surname(family: _Tokens, given: _Tokens) -> Iterator[Reading]:
    """Read "Gabriel García Márquez" as "Gabriel García"."""
    if not given:
        return
    first = family[0]
    if len(family) > 1 and is_spanish(first.folded):
        yield replace(_reading(family[:1], given), is_certain=False, is_partial=True)
    elif len(family) == 1 and len(first.words) == 2 and is_spanish(first.words[0]):
        name = first.words[0]
        yield Reading(name, name, _given(given), is_certain=False, is_partial=True)


def _is_family_alone(tokens: _Tokens) -> bool:
    """Return True for "van Gogh", "O Brien", "García Márquez" and "Ramón y Cajal"."""
    is_spanish_pair = len(tokens) == 2 and all(is_spanish(token.folded) for token in tokens)
    return is_spanish_pair or tokens[1].text == "y" or _is_particle(tokens, 0)


def _reading(family: _Tokens, given: _Tokens, *, is_certain: bool = True) -> Reading:
    start = 0
    while (
        start < len(family) - 1
        and family[start].folded in PARTICLES
        and not _is_dotted(family[start])
    ):
        start += 1
    first, *rest = family[start].words
    bare = family[start].folded if first not in ARTICLES or not rest else "".join(rest)
    return Reading(_joined(family), bare + _joined(family[start + 1 :]), _given(given), is_certain)


def _is_dotted(token: _Token) -> bool:
    return token.text.endswith(".")


def _given(tokens: _Tokens) -> tuple[str, ...]:
    return tuple(word for token in tokens for word in token.initials or _names(token))


def _names(token: _Token) -> tuple[str, ...]:
    """Return the names in a given name: "Jean-Pierre" has two, "Xiao-Ming" is one."""
    is_one = len(token.words) == 2 and all(map(is_syllable, token.words))
    return ("-".join(token.words),) if is_one else token.words


def _apart(tokens: _Tokens) -> str:
    """Join all words with blanks, which scripts like Chinese may leave out."""
    words = [word for token in tokens for word in token.words]
    return ("" if all(len(word) == 1 for word in words) else " ").join(words)


def _joined(tokens: _Tokens) -> str:
    return "".join(token.folded for token in tokens)
