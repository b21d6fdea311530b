"""
Recognize the syntax of other search languages in a value, and say how to write it here.

Only what cannot be meant as text is refused: "AND gate", "C++", "p(x|y)" and "and/or" are terms.
Each message ends with ``write`` and YAML that the filter language accepts; where the text itself
may be meant, the message says how to search for it. Begin at `foreign_syntax`.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from digestbot.filters.authors import GROUPS
from digestbot.filters.conditions import STAR_OF_NAME, quoted
from digestbot.filters.databases import FIELDS, Tag, find_tag, without_tags
from digestbot.filters.flow_style import flow_style
from digestbot.filters.patterns import check_pattern
from digestbot.filters.query import corrected
from digestbot.filters.tree import Path
from digestbot.taxonomy import codes_in, expand, named

Check = Callable[[str, str, Path], str | None]
"""Takes the text, its key and its path; returns a message."""

_SUSPECT = re.compile(r"[^\w\s'’-]|^\W|\s-|[\n]|\b(?:AND|OR|NOT|ANDNOT|ADJ)\b|\badj\d|_")
"""Matches every text that one of the checks of words refuses; most terms have none of this."""


def foreign_syntax(text: str, key: str, path: Path) -> str | None:
    """Return a message about foreign syntax in *text*, the value of *key*; None if it has none."""
    if key in _WORDS and not _SUSPECT.search(text):
        return None
    found = (check(text, key, path) for check in _CHECKS.get(key, ()))
    return next((message for message in found if message), None)


# What to write instead


def _entry(key: str, value: object) -> object:
    """Return *value* as a condition on *key*."""
    return {key: value} if key else value


def _write(value: object) -> str:
    return f"write {flow_style(_accepted(value, ''))}"


def _accepted(value: object, key: str) -> object:
    """Return *value* with plain words for every term that would be refused in its turn."""
    if isinstance(value, dict):
        return {each: _accepted(child, each) for each, child in value.items()}
    if isinstance(value, list):
        return [_accepted(child, key) for child in value]
    if not isinstance(value, str):
        return value
    key = "" if key in ("any", "all", "none", "near") else key
    is_refused = key in _PLAIN and foreign_syntax(value, key, ()) is not None
    return _words_of(value, key) if is_refused else value


def _words_of(text: str, key: str) -> str:
    """Return the words of *text*, none of which is an operator."""
    sign = r"[^\W\d_]" if key == "author" else r"\w"
    words = re.findall(rf"{sign}(?:{sign}|['’.-](?={sign}))*", text)
    if key == "author":
        words = [word for word in words if word.lower() not in ("and", "or", "not", "al")]
    return " ".join(word.lower() if word.isupper() else word for word in words) or "serverless"


def _list(key: str, items: list[str], path: Path) -> str:
    is_near = not key and "near" in path[-2:]
    return _write(_entry("near" if is_near else key, items))


def _exclude(key: str, term: str, path: Path) -> str:
    """Say how to exclude *term*, as seen from *path*."""
    condition = _entry(key, term)
    if {"none", "not"} & set(path):
        return f"what is under none: is excluded; {_write(condition)}"
    if "any" in path:
        return f"next to any:, {_write({'none': [condition]})}"
    if path and isinstance(path[0], int):
        return f"put the other terms under any: and {_write({'none': [condition]})}"
    return _write({"none": [condition]})


# Checks of words


_SIGN = re.compile(r"([-–−!~+¬])[\"“'(]*(?=[^\W\d_])")
_DASHED = re.compile(r"\s-(?=\w)")


def _sign(text: str, key: str, path: Path) -> str | None:
    """Check a sign before the first word: ``-survey``, ``+gpu``."""
    found = _SIGN.match(text)
    if not found:
        return None
    sign, term = found[1], text[found.end(1) :].strip()
    if sign == "-" and _DASHED.search(term):
        items = [item for item in _DASHED.split(term) if item]
        what = f'{quoted(text)} is one text; for a list, put a space after each "-"'
        return f"{what}, or {_list(key, items, path)}"
    if sign == "+":
        what = "does not make the word required"
        return f"{quoted(text)} {what}; {_write({'all': [_entry(key, term)]})}"
    if sign == "~":
        what = "does not search for similar words; a word also finds its plural and other spellings"
        return f"{quoted(text)} {what}; {_write(_entry(key, term))}"
    to_find = f" (to find the word, leave out the {quoted(sign)})"
    to_find = "" if key == "author" else to_find
    return f"{quoted(text)} does not exclude{to_find}; {_exclude(key, term, path)}"


_GATES = r"(?!(?:-|\s)?(?:gates?|logic|operat\w+|function\w*|circuits?|rules?)\b)"
_NOT = re.compile(rf"(?:AND\s?)?NOT\s+{_GATES}(?=\S)")


def _leading_not(text: str, key: str, path: Path) -> str | None:
    found = _NOT.match(text)
    if not found or _OPERATOR.search(text, found.end()):
        return None
    term = text[found.end() :].strip('"“”() ')
    to_find = "" if key == "author" else ' (to find the word "not", use lower case)'
    return f"{quoted(text)} does not exclude{to_find}; {_exclude(key, term, path)}"


_OPERATOR = re.compile(rf"\s(AND\s+NOT|ANDNOT|AND|OR|NOT)\s+{_GATES}(?=\S)")
_BARS = re.compile(r"(?<=[\w”\"*)])\s*(\|\|?|&&)\s*(?=[\w“\"(])")
_FORMULA = re.compile(r"[$\\<>⟨⟩=^\[]|\([^()]*\||(?:^|[\s(])\|[^\s|]|\|[^\w\s(\"“|]")


def _operators(text: str, key: str, path: Path) -> str | None:
    """Check operators between terms: ``gpu AND tpu``, ``gpu | tpu``."""
    found = _OPERATOR.search(text)
    if found:
        hint = f' (for the phrase, use "{found[1].lower()}")'
    elif not _FORMULA.search(text) and (found := _BARS.search(text)):
        hint = ""
    else:
        return None
    what = f"{quoted(found[1])} in a term is not an operator{hint}"
    return f"{what}; {_write(_combined(text, key))}"


def _combined(text: str, key: str) -> object:
    """Return the conditions that *text* means, as groups or as a query."""
    pieces = _pieces(text)
    terms, signs = pieces[::2], set(pieces[1::2])
    if ("(" in text or len(signs - {"NOT"}) > 1) and (query := corrected(_query(text, key))):
        return {"query": query}
    at_once = [term for sign, term in zip(["", *pieces[1::2]], terms, strict=True) if sign != "NOT"]
    without = [term for sign, term in zip(["", *pieces[1::2]], terms, strict=True) if sign == "NOT"]
    group = "any" if "OR" in signs else "all"
    found: dict[str, object] = {group: [_entry(key, term) for term in at_once]}
    if without:
        found["none"] = [_entry(key, term) for term in without]
    return found


_ANY_OPERATOR = re.compile(rf"(?:^|\s)(AND\s+NOT|ANDNOT|AND|OR|NOT)\s+{_GATES}(?=\S)")


def _pieces(text: str) -> list[str]:
    """Return terms and operators in turn; the operators are AND, OR and NOT."""
    spaced = _BARS.sub(lambda bar: " AND " if bar[1] == "&&" else " OR ", text)
    pieces = _ANY_OPERATOR.split(f" {spaced}")
    names = ["NOT" if "NOT" in sign else sign for sign in pieces[1::2]]
    terms = [_bare(piece) for piece in pieces[::2]]
    mixed = [part for pair in zip(terms, [*names, ""], strict=True) for part in pair][:-1]
    return mixed if terms[0] else mixed[2:]


def _bare(term: str) -> str:
    return term.strip().strip('"“”').strip()


def _query(text: str, key: str) -> str:
    """Return *text* in arXiv's syntax, as far as it can be said so."""
    prefix = {"": "all", "title": "ti", "abstract": "abs", "author": "au", "category": "cat"}
    spaced = re.sub(r"([()])", r" \1 ", text)
    found = " ".join(_query_part(part) for part in _split_query(spaced)).strip()
    query = re.sub(r"\(\s", "(", re.sub(r"\s\)", ")", found))
    return f"{prefix.get(key, 'all')}:({query})"


def _split_query(text: str) -> Iterator[str]:
    spaced = _BARS.sub(lambda bar: " AND " if bar[1] == "&&" else " OR ", text)
    for part in re.split(r"(\s(?:AND\s+NOT|ANDNOT|AND|OR|NOT)\s|[()])", spaced):
        if part.strip():
            yield part.strip()


def _query_part(part: str) -> str:
    if part in ("(", ")", "AND", "OR"):
        return part
    if re.fullmatch(r"AND\s+NOT|ANDNOT|NOT", part):
        return "ANDNOT"
    return part if re.fullmatch(r"[\w*]+", part) else f'"{_bare(part)}"'


_PREFIX = re.compile(
    r"(titel|title|ti|abstract|abs|summary|author|authors|au|category|cat|comment|co|journal|jr|all"
    r"|any|id|doi|primary|exact|regex|query|intitle|allintitle|inauthor|keyword|keywords)\s?:\s*",
    re.IGNORECASE,
)
_KEYS = {
    **FIELDS,
    "titel": "title",
    "abs": "abstract",
    "summary": "abstract",
    "au": "author",
    "cat": "category",
    "co": "comment",
    "jr": "journal",
    "category": "category",
    **{key: key for key in ("comment", "id", "doi", "primary", "exact", "regex", "query")},
}


def _prefix(text: str, key: str, path: Path) -> str | None:
    """Check a field in front: ``title:gpu``, ``ti:gpu``."""
    found = _PREFIX.match(text)
    if not found or found.end() == len(text):
        return None
    if text[: found.end()].endswith(" ") and not found[1].islower():
        return None  # a title such as "CAT: a new method"
    rest = text[found.end() :]
    is_query = re.search(r"\s(?:AND|OR|ANDNOT|NOT)\s|\s\w+:\S", rest)
    if is_query and (query := corrected(text)):
        return f"{quoted(text)} is a query; {_write({'query': query})}"
    field = _KEYS.get(found[1].lower(), "")
    what = "needs a space after the colon" if field == found[1] else "is not a key here"
    value = [item.strip() for item in rest.split(",")] if "," in rest else _bare(rest)
    return f"{quoted(found[0].strip())} {what}; {_write(_entry(field, value))}"


_SLASHES = re.compile(r"/(.+)/([a-z]*)")


def _slashes(text: str, key: str, path: Path) -> str | None:
    """Check ``/…/``, a regular expression in other languages."""
    found = _SLASHES.fullmatch(text)
    if not found:
        return None
    flags = "(?i)" if "i" in found[2] or key != "regex" else ""
    pattern = flags + found[1]
    if check_pattern(pattern):
        pattern = flags + re.escape(found[1])
    return f"slashes do not enclose a regular expression; {_write({'regex': pattern})}"


_OPTIONAL = re.compile(r"(?<=[a-z]{2})\((s|es|ies|ed|d|ing|er|ers|al|ly|ion|ions|ity)\)(?!\w)")
_OPTIONAL_START = re.compile(
    r"(?<!\w)\((un|non|semi|self|re|pre|multi|anti|sub|super|hyper|in|im|ir|dis|de|co|inter|micro"
    r"|nano|bio|quasi|meta)-?\)-?(?=[^\W\d_]{3})",
    re.IGNORECASE,
)


def _optional_letters(text: str, key: str, path: Path) -> str | None:
    """Check optional letters in brackets: ``model(s)``, ``(un)supervised``."""
    found = _OPTIONAL.search(text) or _OPTIONAL_START.search(text)
    if not found:
        return None
    what = f"{quoted(found[0])} does not make letters optional"
    bare = _OPTIONAL_START.sub("", _OPTIONAL.sub("", text))
    if found[1] in ("s", "es"):
        return f"{what}, but a word also finds its plural; {_write(_entry(key, bare))}"
    whole = _OPTIONAL_START.sub(_without_brackets, _OPTIONAL.sub(_without_brackets, text))
    return f"{what}; {_list(key, [bare, whole], path)}"


def _without_brackets(found: re.Match[str]) -> str:
    return re.sub(r"[()]", "", found[0])


_JOKER = re.compile(r"(?<!\S)\w+\?\w+(?!\S)|\*(?=.*\w)|\s\*$")


def _jokers(text: str, key: str, path: Path) -> str | None:
    """Check wildcards within a term: ``wom?n``, ``*omics``."""
    masked = STAR_OF_NAME.sub("xx", text)
    if not _JOKER.search(masked) or not re.search(r"\w", text):
        return None
    sign = "?" if "*" not in masked else "*"
    what = '"*" can only end a term' if sign == "*" else '"?" is not a wildcard'
    pattern = _write({"regex": _pattern(text)})
    return f"{what}; for other patterns, in title and abstract, {pattern}"


def _pattern(text: str) -> str:
    """Return an expression for *text* with its wildcards."""
    parts = [part for part in re.split(r"([*?]|[^\w*?]+)", text.strip()) if part]
    start = r"\b" if text[0] not in "*?" else ""
    end = r"\b" if text[-1] not in "*?" else ""
    named = {"*": r"\w*", "?": r"\w"}
    body = "".join(named.get(part) or (part if re.match(r"\w", part) else r"\W+") for part in parts)
    return f"(?i){start}{body}{end}"


_FUNCTION_WORDS = re.compile(
    r"\b(?:a|an|the|of|for|in|on|to|with|by|from|and|or|is|are|be|at|as|via|using|its|their|not|but"
    r"|how|what|why|when|we|our|your|you|it|that|this|all|can|do|does|no|into|over|under|between"
    r"|through|without|within|than|beyond|towards?|including|while|which|where|only|such|also"
    r"|based)\b|&|: ",
    re.IGNORECASE,
)
_COMMA = re.compile(r",\s+|;\s*|(?<=[^\W\d_]{2}),(?=[^\W\d_]{2}\w*(?:[,;\s*]|$))")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|\$[^$]*\$|\"[^\"]*\"|“[^”]*”")
MAX_SHOWN = 8
"""Items of a suggested list."""
MAX_ITEM = 4
"""Words of an item; a phrase with commas usually has a longer part."""


def _commas(text: str, key: str, path: Path) -> str | None:
    """Check a list in one text: ``gpu, tpu``; a phrase with commas has longer parts."""
    items = list_items(text)
    if len(items) < 2 or (key == "journal" and re.search(r"\d", text)):
        return None
    if any(len(item.split()) > MAX_ITEM or _FUNCTION_WORDS.search(item) for item in items):
        return None
    sign = f"{'semicolon' if ';' in text else 'comma'}{'s' * (len(items) > 2)}"
    what = f"{quoted(text)} is one phrase here (to keep it, leave out the {sign})"
    return f"{what}; for a list, {_list(key, items, path)}"


def list_items(text: str) -> list[str]:
    """Split *text* at its commas and semicolons, except within brackets and quotes."""
    masked = _BRACKETS.sub(lambda found: "x" * len(found[0]), text)
    starts = [0, *(found.end() for found in _COMMA.finditer(masked))]
    ends = [*(found.start() for found in _COMMA.finditer(masked)), len(text)]
    items = (_bare(text[start:end]).rstrip(",;") for start, end in zip(starts, ends, strict=True))
    return [item for item in items if re.search(r"\w", item)]


def _lines(text: str, key: str, path: Path) -> str | None:
    """Check a list written as lines of one text."""
    items = [re.sub(r"^[-*•]\s+", "", line.strip()).strip(" ,;") for line in text.splitlines()]
    items = [item for item in items if re.search(r"\w", item)]
    if len(items) < 2:
        return None
    what = f"the {len(items)} lines of this text are one phrase"
    return f"{what}; for a list, {_list(key, items[:MAX_SHOWN], path)}"


_PHRASES = re.compile(r"(?:\"[^\"]+\"|“[^”]+”)(?:\s+(?:\"[^\"]+\"|“[^”]+”))+")


def _phrases(text: str, key: str, path: Path) -> str | None:
    """Check several phrases in quotes: ``"deep learning" "drug design"``."""
    if not _PHRASES.fullmatch(text):
        return None
    items = [_bare(found[0]) for found in re.finditer(r"\"[^\"]+\"|“[^”]+”", text)]
    what = "phrases in quotes after each other are one phrase"
    return f"{what}; for all of them, {_write({'all': [_entry(key, item) for item in items]})}"


# Tags and operators of other tools

_DISTANCE = re.compile(r"\s(adj(\d+)|ADJ(\d+)|NEAR/(\d+)|W/(\d+)|PRE/(\d+)|NEAR)\s")


def _distance(text: str, key: str, path: Path) -> str | None:
    """Check operators such as ``adj3`` and ``NEAR/5``."""
    found = _DISTANCE.search(text)
    if not found:
        return None
    first, last = _simple(text[: found.start()]), _simple(text[found.end() :])
    if not first or not last or first == last:
        return None
    words = next((int(number) for number in found.groups()[1:] if number), 10)
    between = words - 1 if found[1].lower().startswith("adj") else words  # Ovid's adj1: adjacent
    within = max(2, min(100, between + len(first.split()) + len(last.split())))
    pair: dict[str, object] = {"near": [first, last], "within": within}
    tool = {"a": "Ovid", "A": "Ovid", "N": "Web of Science"}.get(found[1][0], "Scopus")
    return f"{quoted(found[1])} is an operator of {tool}; {_write(pair)}"


def _simple(text: str) -> str:
    return " ".join(re.findall(r"[\w-]+\*?", _OPERATOR.split(text)[0]))


def _tags(text: str, key: str, path: Path) -> str | None:
    tag = find_tag(text)
    if tag is None:
        return None
    what = f"{quoted(tag.tag)} is the syntax of {tag.tool}"
    if _is_more(text, tag) and (query := corrected(without_tags(text))):
        return f"{what}; {_write({'query': query})}"
    where = f"the key is {tag.field}" if tag.field else "a term searches title and abstract"
    return f"{what}; here, {where}; {_write(_entry(tag.field, _simple(tag.term)))}"


def _is_more(text: str, tag: Tag) -> bool:
    return len(re.findall(r"\w+", text)) > len(re.findall(r"\w+", f"{tag.tag} {tag.term}"))


# Authors


_TITLES = re.compile(r"(?:Dr|Prof|Professor)\.?\s+(?=\S)")


def _author(text: str, key: str, path: Path) -> str | None:
    return next((message for message in _author_messages(text) if message), None)


def _author_messages(text: str) -> Iterator[str | None]:
    yield _user_name(text)
    yield _several(text)
    yield _number(text)
    yield _name_star(text)
    if found := re.search(r",?\s+et\.? al\b\.?.*", text):
        name = text[: found.start()]
        yield f'{quoted(text)}: "et al." is not part of a name; {_write({"author": name})}'
    if found := _TITLES.match(text):
        what = f"{quoted(found[0].strip())} is not part of a name"
        yield f"{what}; {_write({'author': text[found.end() :]})}"


def _user_name(text: str) -> str | None:
    if not text.startswith("@") and not re.fullmatch(r"\S+@\S+\.\S+", text):
        return None
    name = re.sub(r"[^\w-]+|_", " ", text.lstrip("@").partition("@")[0]).strip()
    what = "is not an author's name; give the name as papers print it"
    return f"{quoted(text)} {what}; {_write({'author': name or 'Ion Stoica'})}"


_BETWEEN_NAMES = re.compile(r"\s*[;|/\n]\s*(?:and\s)?|\s+(?:and|&|AND|OR|or)\s+")
_BETWEEN_GROUPS = re.compile(r"\s*[;|\n]\s*")


def _several(text: str) -> str | None:
    if re.search(r"\d{3}", text):
        return None
    is_group = text.split()[-1:] and text.split()[-1].lower() in GROUPS
    names = re.split(_BETWEEN_GROUPS if is_group else _BETWEEN_NAMES, text)
    by_comma = [name.strip() for name in text.split(",")]
    if len(by_comma) > 2 and all(len(name.split()) > 1 for name in by_comma[:2]):
        names = [part for name in by_comma for part in re.split(r"\s*\b(?:and|&)\s+", name)]
    names = [name.strip() for name in names if re.search(r"\w", name)]
    if len(names) < 2:
        return None
    return f"{quoted(text)} is not one name; {_write({'author': names})}"


def _number(text: str) -> str | None:
    if not re.search(r"\d{3}", text):
        return None
    name = re.sub(r"[^\w.,'’ -]+|[\w-]*\d[\w-]*", " ", text)
    name = " ".join(name.split()).strip(" ,-")
    what = "an author is found by name, not by number"
    return f"{quoted(text)}: {what}; {_write({'author': name or 'Ion Stoica'})}"


def _name_star(text: str) -> str | None:
    if "*" not in text and "?" not in text:
        return None
    start = re.split(r"[*?]", text)[0].strip(" ,.")
    if not start:
        return None
    query = "_".join(re.findall(r"\w+", start))
    what = f"{quoted(text)} has a wildcard, which names cannot have"
    return f"{what}; {_write({'query': f'au:{query}*'})}"


# Categories


def _category(text: str, key: str, path: Path) -> str | None:
    if expand(text):
        return None
    found = _SIGN.match(text) or _NOT.match(text)
    if found and expand(text[found.end() :].strip()):
        term = text[found.end() :].strip()
        return f"{quoted(text)} does not exclude; {_exclude(key, term, path)}"
    codes = codes_in(text) or _names_in(text)
    if not codes:
        return None
    if len(codes) == 1:
        return f"{quoted(text)}: the code alone is enough; {_write({key: codes[0]})}"
    what = f"{quoted(text)} is not one category"
    if re.search(r"\bAND\b|&&", text):
        each = [{key: code} for code in codes]
        return f"{what}; for papers in all of them, {_write({'all': each})}"
    return f"{what}; {_write({key: list(codes)})}"


def _names_in(text: str) -> tuple[str, ...]:
    """Return the categories in a list that has English names; a name may have commas itself."""
    parts = tuple(part for part in re.split(r"\s*[,;]\s*", text) if part)
    is_list = len(parts) > 1 and not named(text)
    return parts if is_list and all(named(part) or expand(part) for part in parts) else ()


_WORDS = frozenset({"", "text", "title", "abstract", "comment", "journal"})
_PLAIN = _WORDS | {"author"}
_OF_WORDS: tuple[Check, ...] = (
    _lines, _tags, _distance, _prefix, _slashes, _leading_not, _operators, _sign, _phrases,
    _optional_letters, _jokers,
)  # fmt: skip
_CHECKS: Mapping[str, tuple[Check, ...]] = {
    **dict.fromkeys(_WORDS - {"comment"}, (*_OF_WORDS, _commas)),
    "comment": _OF_WORDS,  # "12 pages, 5 figures" is one phrase
    "author": (_tags, _prefix, _sign, _leading_not, _author),
    "category": (_category,),
    "primary": (_category,),
    "regex": (_slashes,),
}
