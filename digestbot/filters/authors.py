"""
Compare authors' names by family name and compatible given names or initials.

Names come as "Ion Stoica", "I. Stoica", "Stoica, Ion" and, from East Asia, family name first. They
are folded before comparison, so accents, case and hyphens are ignored. Begin at `name_matches`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from digestbot.text import folded_words, plain, words

PARTICLES = frozenset({
    "al", "af", "av", "ben", "bin", "d", "da", "dal", "das", "de", "degli", "dei", "del", "della",
    "den", "der", "des", "di", "do", "dos", "du", "el", "ibn", "la", "las", "le", "les", "lo",
    "los", "mc", "of", "op", "san", "st", "te", "ten", "ter", "van", "vander", "vom", "von", "y",
    "zu", "zum", "zur",
})  # fmt: skip
"""Words that start a family name: "van der Waals", "de la Cruz"."""
GROUPS = frozenset({"collaboration", "collaborations", "consortium", "team"})
"""Last words of group authors, whose whole name counts as the family name."""
SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
_INITIAL = re.compile(r"-?[^\W\d_]\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A parsed name; all words are folded."""

    family: tuple[str, ...]
    given: tuple[str, ...]
    """Names or initials; empty if only the family name is known."""


def parse_name(text: str) -> Name:
    """Parse "Given Family" or, with a comma, "Family, Given" (BibTeX's form)."""
    before, after = _sides(text)
    if not after:
        return _natural(before)
    end = len(after)
    while end > 1 and _is_particle(after[end - 1]):
        end -= 1  # "Gogh, Vincent van"
    return Name(family=_words((*after[end:], *before)), given=_words(after[:end]))


def name_matches(wanted: Name, author: str) -> bool:
    """
    Return True if *author*, as printed on a paper, may be the person *wanted*.

    A family name alone matches everyone with that name. Given names and initials must be compatible
    where both names have them: "Ion Stoica" matches "I. Stoica" and "Ion A. Stoica", but not "Ivan
    Stoica".
    """
    size = len(wanted.family) if wanted.given else 0
    return any(_matches(wanted, name) for name in _readings(author, size))


def family_letters(name: Name) -> str:
    """Return letters contained in the `name_letters` of every name that matches *name*."""
    return "".join(_without_particles(name.family))


def name_letters(author: str) -> str:
    """
    Return the letters of a printed name, repeated once, to contain every reading of its family.

    A family name is a run of words of the printed name or of its rotation ("Gogh, Vincent van").
    Empty if only parsing the name can tell.
    """
    if any(sign in author for sign in ",\\$"):
        return ""
    found = folded_words(author)
    return "" if not found or found[-1] in SUFFIXES else "".join(found) * 2


@lru_cache(maxsize=4096)
def _readings(author: str, size: int) -> tuple[Name, ...]:
    """
    Return every way to read *author* as a name.

    If *size* is not 0, the family name has that many words and may come first ("Ma Wei-Ying") or be
    longer than it seems ("Gabriel García Márquez").
    """
    before, after = _sides(author)
    as_written = parse_name(author)
    family_last = _words((*after, *before))
    if not size:
        return as_written, Name(family=family_last, given=())
    return (
        as_written,
        Name(family=family_last[-size:], given=family_last[:-size]),
        Name(family=family_last[:size], given=family_last[size:]),
    )


def _matches(wanted: Name, author: Name) -> bool:
    if not wanted.given:
        families = (author.family, _without_particles(author.family))
        return "".join(wanted.family) in map("".join, families)
    if not (author.given and _same_family(wanted.family, author.family)):
        return False
    return _given_match(wanted.given, author.given)


def _same_family(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Compare family names: "Waals" equals "van der Waals", "van Berg" differs from "von Berg"."""
    if "".join(left) == "".join(right):
        return True
    bare_left, bare_right = _without_particles(left), _without_particles(right)
    one_is_bare = bare_left == left or bare_right == right
    return one_is_bare and "".join(bare_left) == "".join(bare_right)


def _without_particles(family: tuple[str, ...]) -> tuple[str, ...]:
    start = 0
    while start < len(family) - 1 and family[start] in PARTICLES:
        start += 1
    return family[start:]


def _given_match(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Match the first names, then each of the shorter list with one of the longer, in order."""
    if "".join(left) == "".join(right):
        return True
    if not _same_given(left[0], right[0]):
        return _joined_initials(left, right) or _joined_initials(right, left)
    few, many = sorted((left[1:], right[1:]), key=len)
    rest = iter(many)
    return all(any(_same_given(one, other) for other in rest) for one in few)


def _same_given(one: str, other: str) -> bool:
    """Return True if the names are equal or one is the initial of the other."""
    if len(one) == 1 or len(other) == 1:
        return one[0] == other[0]
    return one == other


def _joined_initials(short: tuple[str, ...], full: tuple[str, ...]) -> bool:
    """Return True if *short* is the joined initials of *full*: "JP" for "Jean Pierre"."""
    initials = "".join(name[0] for name in full)
    return len(short) == 1 and len(full) > 1 and short[0] == initials


def _natural(tokens: tuple[str, ...]) -> Name:
    """Parse given names first; the family name includes particles and all of "Smith-Jones"."""
    if tokens and _folded(tokens[-1]) in GROUPS:
        return Name(family=_words(tokens), given=())
    start = len(tokens) - 1
    while start > 1 and _is_particle(tokens[start - 1]):
        start -= 1
    if start == 1 and tokens[0].islower() and _is_particle(tokens[0]):
        start = 0  # "van der Waals" is a family name; "Ben" in "Ben Carter" is a given name
    return Name(family=_words(tokens[start:]), given=_words(tokens[:start]))


def _is_particle(token: str) -> bool:
    return not token.endswith(".") and _folded(token) in PARTICLES  # "D." is an initial


def _sides(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split *text* at its comma into names; drop "Jr."."""
    shown = plain(text, one_line=True) if "\\" in text or "$" in text else text
    before, comma, after = shown.partition(",")
    if comma:
        return _names(before), _names(after.replace(",", " "))
    names = _names(before)
    if names and _folded(names[-1]) in GROUPS and _folded(names[0]) == "the":
        return names[1:], ()
    initials = _trailing_initials(names)
    return names[: len(names) - initials], names[len(names) - initials :]


def _trailing_initials(names: tuple[str, ...]) -> int:
    """Count the initials after the family name: 1 in "Stoica I.", 0 in "Weinan E"."""
    found = 0
    while found < len(names) and _INITIAL.fullmatch(names[-1 - found]):
        found += 1
    return found if found < len(names) and not _INITIAL.fullmatch(names[0]) else 0


def _names(text: str) -> tuple[str, ...]:
    # Split joined initials: "J.P. Morgan" has two.
    found = tuple(name for name in text.replace(".", ". ").split() if words(name))
    return found[:-1] if found and _folded(found[-1]) in SUFFIXES else found


def _words(tokens: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.text for token in tokens for word in words(token))


def _folded(token: str) -> str:
    return "".join(word.text for word in words(token))
