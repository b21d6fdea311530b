"""
Split the author lists of feeds into names in the order "Given Family".

Publishers write "Bee, A. M., Dee, C.", "Ada Bee, Carl Dee & Eve Fee", "Bee, Ada and Dee, Carl",
"A. Bee (University of X, Y), C. Dee" and more, with marks, degrees and collaborations in between.
Every step takes linear time. Begin at `split_authors`, or at `split_affiliated` for arXiv's lists.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache, partial

MAX_LENGTH = 200_000
"""Characters of a list: the longest real ones have 3,000 authors."""
MAX_NAME = 200
"""Characters of one name; a longer one is cut."""

_SIMPLE = re.compile(r"[^\W\d_](?:[^\W\d_]|[ ,.'’{}\"\\^`~=-]|[\U000f0000-\U000ffffd])*")
_STEMS = (
    "collaborat", "consorti", "group", "team", "network", "initiative", "investigator", "committee",
    "society", "institut", "universit", "project", "program", "alliance", "associat", "cent",
    "trialist", "study", "foundation", "organi", "council", "federat", "cooperat", "registry",
    "working party", "task force", "und", "et al", "etal", "et. al", "et.al", "others", "..",
    "by", "author", "and and",
)  # fmt: skip
"""Parts of the words that make a list more than names."""
MAX_BRACKETS = 60_000
"""Brackets of a list that are read as affiliations."""

_GROUP = re.compile(
    r"\b(?:collaborations?|consorti(?:um|a)|groups?|teams?|network|initiative|investigators|"
    r"committee|society|institute|university|project|program(?:me)?|alliance|association|"
    r"cent(?:er|re)s?|trialists|study|foundation|organi[sz]ation|council|federation|"
    r"cooperative|registry|working party|task force)\b",
    re.IGNORECASE,
)
_GROUP_START = re.compile(r"(?:the |for the |on behalf of |for )", re.IGNORECASE)
_ON_BEHALF = re.compile(
    r"^(?:and )?(?:on behalf of (?:the )?|for the |in collaboration with (?:the )?)", re.IGNORECASE
)
_SUFFIX = re.compile(r"(?:jr|sr|jnr|snr|ii|iii|iv)\.?", re.IGNORECASE)
_DEGREE = re.compile(
    r"(?:m\.?\s?d|ph\.?\s?d|d\.?\s?phil|m\.?\s?sc|b\.?\s?sc|m\.?\s?p\.?\s?h|m\.?\s?b\.?\s?a|"
    r"dr\.?\s?(?:med|rer\.?\s?nat|ing)|m\.?\s?b\.?\s?b\.?\s?s|m\.?\s?b\.?\s?ch\.?\s?b|d\.?\s?o|"
    r"pharm\.?\s?d|dvm|d\.?\s?d\.?\s?s|d\.?\s?sc|sc\.?\s?d|r\.?n|frcp|frcs|facp|facs|faha|facc|"
    r"m\.?\s?a|m\.?\s?s|b\.?\s?s|b\.?\s?a|m\.?\s?eng|esq)\.?",
    re.IGNORECASE,
)
_INITIALS = re.compile(r"(?:[^\W\d_]\u0307?\.?[ -]?){1,5}")
_LEAD = re.compile(r"^(?:by\b:?|author(?:s|\(s\))? ?:|authors\b) ?", re.IGNORECASE)
_AND_OTHERS = re.compile(r"(?:\bet\.? ?al\.?|\band others|\.\.\.|…)$", re.IGNORECASE)
_MARKS = "0123456789*†‡§¶‖#¹²³⁰⁴⁵⁶⁷⁸⁹"
_AND = re.compile(r" (?:and|und) |&")
_WORD_AND = re.compile(r" (?:and|und|&) ")
_PARTICLES = frozenset({
    "al", "da", "dal", "das", "de", "del", "della", "den", "der", "des", "di", "do", "dos", "du",
    "el", "la", "las", "le", "los", "ten", "ter", "van", "von",
})  # fmt: skip
_BRACKET = re.compile(r"[()\[\]]")
_ADDRESSED = re.compile(r"[^\s@()]+@[^\s@()]+ ?\((?P<name>[^()]+)\)")
_PLACEHOLDER = 0xF0000
"""First of the private characters that stand for brackets while a list is split."""
_PLACEHOLDERS = re.compile("[\U000f0000-\U000ffffd]")
_MARK = r"[0-9]{1,3}|[a-z]{1,2}"
_LEGEND_MARK = re.compile(rf"\(({_MARK})\)")
_MARK_LIST = re.compile(rf"\W*(?:(?:{_MARK})(?:\W+(?:and\W+)?|$))+")
_ONE_MARK = re.compile(rf"\b(?!and\b)(?:{_MARK})\b")


def split_authors(text: str, *, is_one: bool = False, is_natural: bool = False) -> list[str]:
    """
    Return the names in *text*, each once, in its order.

    Args:
        text: Plain text without tags; superscript marks are dropped.
        is_one: *text* is one of several elements, one per author: a single comma then
            separates the family name from the given names.
        is_natural: All names are in the order "Given Family", as in arXiv's feeds.
    """
    line = " ".join(text[:MAX_LENGTH].split())
    simple = _simple_names(line) if is_natural else None
    if simple is not None:
        return simple
    addressed = _ADDRESSED.fullmatch(line)
    if addressed:  # RSS 2.0: "ann@example.org (Ann Bee)"
        line = addressed["name"]
    line = _without_others(_LEAD.sub("", _without_brackets(line), count=1))
    names = (_tidy(name) for name in _names(line, is_one=is_one, is_natural=is_natural))
    return list(dict.fromkeys(name for name in names if any(map(str.isalpha, name))))


def _simple_names(line: str) -> list[str] | None:
    """
    Split a list of plain names in natural order; for others return None.

    Nearly all lists of arXiv are plain; this takes a fifth of the time (`tests.bench.bench_arxiv`).
    """
    lower = line.lower()
    if not _SIMPLE.fullmatch(line) or any(stem in lower for stem in _STEMS):
        return None
    parts = (part.strip() for piece in line.split(",") for part in f" {piece} ".split(" and "))
    names = [part for part in parts if any(map(str.isalpha, part))]
    for name in names:
        if len(name) > MAX_NAME or _SUFFIX.fullmatch(name) or _DEGREE.fullmatch(name):
            return None
    return list(dict.fromkeys(names))


def split_affiliated(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """
    Return the names in an author list of arXiv, each with its affiliations.

    Reads arXiv's two forms (help, "Metadata for Required and Optional Fields"): "A. Bee (1), C. Dee
    (1 and 2) ((1) Univ. of X, (2) Y)", and "A. Bee, C. Dee (Univ. of X)" for one affiliation of
    both.
    """
    line = " ".join(text[:MAX_LENGTH].split())
    if "(" not in line:
        return [(name, ()) for name in split_authors(line, is_natural=True)]
    bare, brackets = _with_placeholders(line)
    legend = _legend(brackets[-1]) if brackets else {}
    if legend:
        brackets[-1] = ""
    read = cache(partial(_places, legend=legend))
    found: list[tuple[str, tuple[str, ...]]] = []
    for marked in split_authors(bare, is_natural=True):
        inside = [brackets[ord(char) - _PLACEHOLDER] for char in _PLACEHOLDERS.findall(marked)]
        name = _tidy(_PLACEHOLDERS.sub(" ", marked)) if inside else marked
        places = tuple(dict.fromkeys(place for each in inside for place in read(each)))
        if found and _SUFFIX.fullmatch(name):
            found[-1] = (f"{found[-1][0]} {name}", places)
        elif any(map(str.isalpha, name)):
            found.append((name, places))
    return found if legend else _with_shared_places(found)


def _with_placeholders(line: str) -> tuple[str, list[str]]:
    """Return *line* with a private character for each outermost bracket, and their contents."""
    closed = _closed_brackets(line)
    kept: list[str] = []
    brackets: list[str] = []
    at = 0
    for opening in sorted(closed):
        if opening >= at and line[opening] == "(" and len(brackets) < MAX_BRACKETS:
            kept += (_PLACEHOLDERS.sub("", line[at:opening]), chr(_PLACEHOLDER + len(brackets)))
            at = closed[opening] + 1
            brackets.append(line[opening + 1 : at - 1])
    return "".join([*kept, _PLACEHOLDERS.sub("", line[at:])]), brackets


def _legend(text: str) -> dict[str, str]:
    """Return mark → affiliation of a list such as "(1) Univ. of X, (2) Y"; empty for others."""
    first, *rest = _LEGEND_MARK.split(text)
    if first.strip() or not rest:
        return {}
    return {mark: place.strip(" ,;.") for mark, place in zip(rest[::2], rest[1::2], strict=True)}


def _places(text: str, legend: dict[str, str]) -> tuple[str, ...]:
    """Return the affiliations that the bracket *text* behind a name gives or refers to."""
    if not any(map(str.isalnum, text)):
        return ()
    if _MARK_LIST.fullmatch(text):
        return tuple(filter(None, map(legend.get, _ONE_MARK.findall(text))))
    return (text.strip(),)


def _with_shared_places(
    authors: list[tuple[str, tuple[str, ...]]],
) -> list[tuple[str, tuple[str, ...]]]:
    """Give authors who lack an affiliation that of the next one, as arXiv does."""
    shared: tuple[str, ...] = ()
    found: list[tuple[str, tuple[str, ...]]] = []
    for name, places in reversed(authors):
        shared = places or shared
        found.append((name, places if _GROUP.search(name) else shared))
    return found[::-1]


def _without_others(line: str) -> str:
    """Drop "et al." at the end; only the end is searched, which keeps the time linear."""
    line = line.rstrip(" ,;")
    head, tail = line[:-20], line[-20:]
    return (head + _AND_OTHERS.sub("", tail)).rstrip(" ,;")


def _names(line: str, *, is_one: bool, is_natural: bool) -> Iterator[str]:
    if re.search(r"[;|•·]", line):
        for part in re.split(r"[;|•·]", line):
            yield from _members(part.strip(" ,"), is_one=True, is_natural=is_natural)
        return
    group, colon, rest = line.partition(":")
    if colon and _GROUP.search(group):  # arXiv: "X Collaboration: A. Bee, C. Dee"
        yield group
        yield from _names(rest, is_one=False, is_natural=is_natural)
        return
    if not is_natural and _is_bibtex(line):
        for part in _WORD_AND.split(line):
            yield _natural_order(part)
        return
    yield from _members(line, is_one=is_one, is_natural=is_natural)


def _is_bibtex(line: str) -> bool:
    """Return True for "Bee, Ada and Dee, Carl": each name has exactly one comma."""
    parts = _WORD_AND.split(line)
    return len(parts) > 1 and all(part.count(",") == 1 and part[-1:] != "," for part in parts)


def _members(line: str, *, is_one: bool, is_natural: bool) -> Iterator[str]:
    """Yield the names of a list that commas and "and" separate."""
    parts = _with_suffixes(_parts(line))
    run: list[str] = []
    for part in parts:
        if _GROUP.search(part):
            yield from run if is_natural else _people(run, is_one=is_one)
            yield _ON_BEHALF.sub("", part)
            run, is_one = [], False
        else:
            run.append(part)
    yield from run if is_natural else _people(run, is_one=is_one)


def _parts(line: str) -> Iterator[str]:
    """Yield what commas and "and" separate; groups such as "X and Y Collaborations" stay whole."""
    for part in line.split(","):
        for each in _apart(part):
            name = _without_marks(each.strip())
            if any(map(str.isalpha, name)):
                yield name


def _without_marks(name: str) -> str:
    """Drop footnote marks behind the name: "Ada Bee1*"."""
    return name.rstrip(_MARKS + " ") if len(name) <= MAX_NAME else name[:MAX_NAME]


def _apart(part: str) -> Iterable[str]:
    if not _GROUP.search(part):
        return _AND.split(f" {part} ")
    stripped = re.sub(r"^(?:and|&) ", "", part.strip())
    left, word_and, right = _first_and(stripped)
    if word_and and (_GROUP_START.match(right) or (_is_person(left) and _GROUP.search(right))):
        return left, right
    return (stripped,)


def _first_and(part: str) -> tuple[str, str, str]:
    found = _WORD_AND.search(part)
    if found is None:
        return part, "", ""
    return part[: found.start()], found[0], part[found.end() :]


def _is_person(name: str) -> bool:
    words = name.split()
    return 2 <= len(words) <= 4 and not _GROUP.search(name) and words[0][0].isupper()


def _with_suffixes(parts: Iterable[str]) -> list[str]:
    """Append "Jr" and "III" to the name before, and drop degrees."""
    found: list[str] = []
    for part in parts:
        if found and _SUFFIX.fullmatch(part):
            found[-1] = f"{found[-1]} {part}"
        elif not (found and " " in found[-1] and _DEGREE.fullmatch(part)):
            found.append(part)
    return found


def _people(parts: list[str], *, is_one: bool) -> Iterator[str]:
    """Yield the names in *parts*, which are whole names, or family and given names in turn."""
    families, given = parts[::2], parts[1::2]
    is_pair = is_one and len(parts) == 2
    if is_pair or (len(families) == len(given) and _are_inverted(families, given)):
        for family, first in zip(families, given, strict=True):
            yield _joined(family, first)
        return
    waiting: str | None = None
    for part in parts:
        if waiting is not None and _is_initials(part) and not _has_initial(waiting):
            yield _joined(waiting, part)
            waiting = None
            continue
        if waiting is not None:
            yield waiting
        waiting = part
    if waiting is not None:
        yield waiting


def _are_inverted(families: list[str], given: list[str]) -> bool:
    """Return True if *families* read as family names and *given* as given names."""
    if not families or all(map(_is_initials, given)):
        return bool(families)
    # Scripts without letter case, such as Chinese, write whole names in one word.
    if any(family.upper() == family.lower() for family in families):
        return False
    bare = (_without_suffix(family).split() for family in families)
    are_families = all(len(words) == 1 or words[0].lower() in _PARTICLES for words in bare)
    return are_families and all(len(name.split()) <= 3 for name in given)


def _is_initials(part: str) -> bool:
    bare = _without_suffix(part)
    return bare == bare.upper() != bare.lower() and bool(_INITIALS.fullmatch(bare))


def _has_initial(name: str) -> bool:
    return any(len(word) == 2 and word[1] == "." for word in name.split())


def _without_suffix(name: str) -> str:
    first, _, last = name.rpartition(" ")
    return first if first and _SUFFIX.fullmatch(last) else name


def _natural_order(name: str) -> str:
    family, comma, given = name.partition(",")
    return _joined(family.strip(), given.strip()) if comma and given.strip() else name


def _joined(family: str, given: str) -> str:
    """Return "Given Family", with a suffix of either part at the end."""
    for part in (family, given):
        bare = _without_suffix(part)
        if bare != part:
            suffix = part[len(bare) + 1 :]
            rest = (bare, given) if part is family else (family, bare)
            return f"{rest[1]} {rest[0]} {suffix}"
    return f"{given} {family}"


def _without_brackets(line: str) -> str:
    """
    Drop what stands in brackets: affiliations, ORCID iDs, email addresses.

    An opening bracket that is never closed ends at the next comma or semicolon, as in arXiv's
    "A. Bee (University of X, C. Dee".
    """
    if "(" not in line and ")" not in line and "[" not in line:
        return line
    closed = _closed_brackets(line)
    kept: list[str] = []
    skip_until = 0
    is_open = False
    for at, char in enumerate(line):
        if at < skip_until:
            continue
        if char in "([":
            if at in closed:
                skip_until = closed[at] + 1
            else:
                is_open = True
        elif char in ")]":
            continue
        elif is_open and char in ",;":
            is_open = False
            kept.append(char)
        elif not is_open:
            kept.append(char)
    return "".join(kept)


def _closed_brackets(line: str) -> dict[int, int]:
    """Return the outermost balanced brackets: opening → closing position."""
    stack: list[int] = []
    closed: dict[int, int] = {}
    for found in _BRACKET.finditer(line):
        if found[0] in "([":
            stack.append(found.start())
        elif stack:
            closed[stack.pop()] = found.start()
    return closed


def _tidy(name: str) -> str:
    words = [word for word in name[:MAX_NAME].split() if "@" not in word]
    if words and words[0] in ("and", "&"):
        words = words[1:]
    return " ".join(words).strip(" ,;:" + _MARKS)
