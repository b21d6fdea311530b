"""
arXiv's query syntax → the same tree as the YAML's: ``ti:"cold start" ANDNOT au:smith``.

The syntax is that of arXiv's API ("User's Manual", 5.1, "Details of Query Construction"), as a
grammar; what the manual leaves open is settled in ``docs/filters.md``. Begin at `parse_query`.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_plus

from digestbot.errors import InvalidPaperId, InvalidValue
from digestbot.filters.authors import parse_name
from digestbot.filters.conditions import MAX_TERM, READERS, Mistake, quoted, words_in
from digestbot.filters.tree import AllOf, AnyOf, CategoryIs, DateIn, Node, NoneOf, Path
from digestbot.taxonomy import aliases, is_category

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

MAX_DEPTH = 32

GRAMMAR = r"""
start: query
query: clause (OPERATOR clause)*
clause: [FIELD] (WORD | PHRASE | RANGE | group)
group: LPAR query RPAR

OPERATOR.3: /(?:ANDNOT|AND|OR|NOT)(?![^\s()"“”\[\]])/
FIELD.2: /(?<![^\s(])[A-Za-z_]+:/
PHRASE: /["“”][^"“”]*["“”]/
RANGE: /\[[^\[\]]*\]/
LPAR: "("
RPAR: ")"
WORD: /[^\s()"“”\[\]]+/
%ignore /\s+/
"""

_OURS = {"title": "ti", "author": "au", "abstract": "abs", "comment": "co", "journal": "jr"}
_OURS |= {"category": "cat", "primary": "cat", "any": "all", "published": "submittedDate"}
"""What the YAML calls arXiv's prefixes."""
_EVERYWHERE = ("title", "abstract", "comment", "journal")
_NO_WORD = re.compile(r"[-+!]|.*[~^?{}&|\\]")
"""Signs that Lucene knows and arXiv's manual does not."""


def parse_query(text: str, weight: float, path: Path) -> Node:
    """
    The tree that *text* means; every condition in it has *weight* and stands at *path*.

    Operators have one rank and are read from left to right, as arXiv's own parser does
    (arXiv/arxiv-search, classic_api/query_parser.py): ``a OR b AND c`` is ``(a OR b) AND c``. A
    text as it stands in a URL is decoded first, and taken out of the URL.

    Raises:
        Mistake: With the character, from 1, of the decoded text.
    """
    decoded = _decoded(text)
    try:
        return _translated(decoded, weight, path)
    except _Misplaced as error:
        where = f"at character {error.place + 1}"
        if decoded != text:
            where = f"in {quoted(decoded)}, {where}"
        raise Mistake(f"{where}: {error}") from error


class _Misplaced(Exception):
    """A mistake at a place of the query."""

    def __init__(self, place: int, message: str) -> None:
        self.place = place
        super().__init__(message)


_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}|\+(?:AND|OR|ANDNOT|TO)\+")
_IN_URL = re.compile(r"search_query=([^&#]*)")


def _decoded(text: str) -> str:
    """*text*, taken out of a URL and decoded if the whole of it looks like one."""
    found = _IN_URL.search(text)
    bare = (found[1] if found else text).strip()
    if re.search(r"\s", bare) or not (found or _ENCODED.search(bare)):
        return bare
    return unquote_plus(bare).strip()


def _translated(text: str, weight: float, path: Path) -> Node:
    reader = _Translator(weight=weight, path=path)
    found = reader.query(_parsed(text), "all", 1)
    if _depth(found) > MAX_DEPTH:
        raise _Misplaced(0, f"AND and OR take turns more than {MAX_DEPTH} times")
    return found


def _depth(node: Node) -> int:
    """Levels of groups; a chain of operators is built without recursion and can be long."""
    level, depth = [node], 0
    while level:
        level = [c for n in level if isinstance(n, (AllOf, AnyOf, NoneOf)) for c in n.children]
        depth += 1
    return depth


# The parser, and what is wrong where it stops


@lru_cache(maxsize=1)
def _parser() -> "Lark":
    from lark import Lark  # 60 ms that only those pay who have a query

    return Lark(GRAMMAR, parser="lalr", lexer="basic", maybe_placeholders=True)


def _parsed(text: str) -> "Tree[Token]":
    from lark import UnexpectedCharacters, UnexpectedToken

    if not text:
        raise Mistake("the query is empty")
    try:
        tokens = list(_parser().lex(text))
        tree: Any = _parser().parse(text)
    except UnexpectedCharacters as error:
        place: Any = error.pos_in_stream
        raise _Misplaced(place, _stray(text[place])) from error
    except UnexpectedToken as error:
        before = [token for token in tokens if _place(token) < _place(error.token)]
        _explain(before if error.token.type != "$END" else tokens, error.token)
    found: Tree[Token] = tree.children[0]
    return found


def _place(token: "Token") -> int:
    return token.start_pos or 0


def _stray(sign: str) -> str:
    if sign in '"“”':
        return "this quote is not closed"
    return f"{quoted(sign)} has no counterpart; only a range of dates stands in such brackets"


def _explain(before: "Sequence[Token]", token: "Token") -> NoReturn:
    """Say what is wrong with *token*, which stands behind those *before*."""
    last = before[-1] if before else None
    place = _place(token)
    if str(token) == "NOT":
        raise _Misplaced(place, _NO_NOT)
    if last is not None and last.type == "OPERATOR" and token.type == "OPERATOR":
        raise _Misplaced(place, f"{quoted(token)} follows right after {quoted(last)}")
    if last is not None and last.type in ("FIELD", "OPERATOR"):
        raise _Misplaced(_place(last), f"nothing follows {quoted(last)}")
    if token.type == "$END":
        raise _Misplaced(_unclosed(before), "this bracket is not closed")
    if token.type == "OPERATOR":
        raise _Misplaced(place, f"nothing stands before {quoted(token)}")
    if token.type == "RPAR":
        what = "is empty" if last is not None and last.type == "LPAR" else "closes none"
        raise _Misplaced(place, f"this bracket {what}")
    raise _Misplaced(place, _no_operator(token))


_NO_NOT = "arXiv has no NOT; write ANDNOT between two conditions: ti:gpu ANDNOT ti:survey"
_OTHER_OPERATORS = {"&&": "AND", "||": "OR", "&": "AND", "|": "OR", "+": "AND", "-": "ANDNOT"}
_OTHER_OPERATORS |= {"and": "AND", "or": "OR", "andnot": "ANDNOT", "not": "ANDNOT", "!": "ANDNOT"}


def _no_operator(token: str) -> str:
    if meant := _OTHER_OPERATORS.get(token.lower()):
        return f"{quoted(token)} is no operator; did you mean {quoted(meant)}?"
    return f"AND, OR or ANDNOT is missing before {quoted(token)}; words in a row stand in quotes"


def _unclosed(tokens: "Sequence[Token]") -> int:
    """The place of the last bracket that is open at the end."""
    waiting = []
    for token in tokens:
        if token.type == "LPAR":
            waiting.append(_place(token))
        elif token.type == "RPAR":
            waiting.pop()
    return waiting[-1]


# From arXiv's words to ours


@dataclass(frozen=True, slots=True, kw_only=True)
class _Translator:
    """Parse tree → conditions."""

    weight: float
    path: Path

    def query(self, tree: "Tree[Token]", field: str, depth: int) -> Node:
        """Clauses and the operators between them; *field* is what a bare word looks at."""
        parts: Any = tree.children
        node = self._clause(parts[0], field, depth)
        for operator, clause in zip(parts[1::2], parts[2::2], strict=True):
            if operator == "NOT":
                raise _Misplaced(operator.start_pos, _NO_NOT)
            node = self._joined(node, str(operator), self._clause(clause, field, depth))
        return node

    def _joined(self, left: Node, operator: str, right: Node) -> Node:
        """Chains of one operator become one group."""
        if operator == "OR":
            return AnyOf(children=(*_children(left, AnyOf), right), path=self.path)
        if operator == "ANDNOT":
            right = NoneOf(children=(right,), path=self.path)
        return AllOf(children=(*_children(left, AllOf), right), path=self.path)

    def _clause(self, tree: "Tree[Token]", field: str, depth: int) -> Node:
        parts: Any = tree.children
        prefix, value = parts
        name = field if prefix is None else _field(prefix)
        if hasattr(value, "children"):
            return self._group(value, name, depth)
        try:
            return self._term(name, value)
        except (Mistake, InvalidValue) as error:
            raise _Misplaced(_place(value), str(error)) from error

    def _group(self, tree: Any, field: str, depth: int) -> Node:
        opening, inner, _ = tree.children
        if depth > MAX_DEPTH:
            raise _Misplaced(opening.start_pos, f"nested deeper than {MAX_DEPTH} levels")
        if field in DATES:
            raise _Misplaced(opening.start_pos, _NO_RANGE)
        return self.query(inner, field, depth + 1)

    def _term(self, field: str, token: "Token") -> Node:
        if field in DATES or token.type == "RANGE":
            return self._dates(field, token)
        if token.type == "WORD":
            _check_word(token, field)
        text = token.strip('"“”').strip() if token.type == "PHRASE" else str(token)
        if len(text) > MAX_TERM:
            raise Mistake(f"longer than {MAX_TERM} characters")
        return _READERS[field](text, self.weight, self.path)

    def _dates(self, field: str, token: "Token") -> Node:
        if token.type != "RANGE" or field not in DATES:
            raise Mistake(_NO_RANGE)
        since, before = _range(token)
        return DateIn(
            term=str(token),
            label=field,
            weight=self.weight,
            path=self.path,
            field=DATES[field],
            since=since,
            before=before,
        )


def _children(node: Node, kind: type[AllOf | AnyOf]) -> tuple[Node, ...]:
    return node.children if isinstance(node, kind) else (node,)


def _field(token: "Token") -> str:
    """The prefix as the manual writes it."""
    name = token.removesuffix(":")
    known = {prefix.lower(): prefix for prefix in PREFIXES}
    if name.lower() in known:
        return known[name.lower()]
    if name.lower() == "rn":
        message = '"rn" cannot be asked for: no source tells the report numbers'
        raise _Misplaced(_place(token), message)
    meant = known | _OURS
    near = get_close_matches(name[:40].lower(), meant, n=1)
    hint = f'; did you mean "{meant[near[0]]}"?' if near else f"; known are {', '.join(PREFIXES)}"
    raise _Misplaced(_place(token), f"unknown prefix {quoted(name)}{hint}")


def _check_word(word: str, field: str) -> None:
    """What has a meaning in other search languages is not passed over."""
    if word.endswith(":") or (":" in word and field not in ("id", "all")):
        raise Mistake(f'":" stands behind a prefix only; quote {quoted(word)}')
    if found := _NO_WORD.match(word):
        sign = found[0][-1]
        raise Mistake(f"{quoted(sign)} means nothing in arXiv's syntax; quote {quoted(word)}")


def _words(key: str) -> Callable[[str, float, Path], Node]:
    return lambda text, weight, path: READERS[key](text, key, weight, path)


def _author(text: str, weight: float, path: Path) -> Node:
    if text.endswith("*"):
        return words_in("author")(text.replace("_", " "), "author", weight, path)
    return READERS["author"](_name(text), "author", weight, path)


def _name(text: str) -> str:
    """``smith_j`` is "smith, j" by arXiv's custom; ``del_maestro`` is "del maestro"."""
    names = text.split("_")
    end = len(names)
    while end > 1 and len(names[end - 1].rstrip(".")) == 1:
        end -= 1
    family, initials = " ".join(names[:end]), " ".join(names[end:])
    return f"{family}, {initials}" if initials and len(family) > 1 else " ".join(names)


def _anywhere(text: str, weight: float, path: Path) -> Node:
    """``all:``, in every field that we have; a name is looked for by its family name."""
    if text.endswith("*"):
        return words_in(*_EVERYWHERE, "author")(text, "all", weight, path)
    children: list[Node] = [words_in(*_EVERYWHERE)(text, "all", weight, path)]
    if parse_name(_name(text)).family:
        children.append(_author(text, weight, path))
    if is_category(text):
        codes = aliases(text)
        children.append(
            CategoryIs(term=text, label="category", weight=weight, path=path, codes=codes)
        )
    with suppress(InvalidPaperId):  # most words are none
        children.append(READERS["id"](text, "id", weight, path))
    return AnyOf(children=tuple(children), path=path)


_READERS: dict[str, Callable[[str, float, Path], Node]] = {
    "ti": _words("title"),
    "au": _author,
    "abs": _words("abstract"),
    "co": _words("comment"),
    "jr": _words("journal"),
    "cat": _words("category"),
    "id": _words("id"),
    "all": _anywhere,
}
DATES = {"submittedDate": "published", "lastUpdatedDate": "updated"}
"""Prefixes of dates, and which date of a paper they look at."""
PREFIXES = (*_READERS, *DATES)


# Dates

_NO_RANGE = "dates are asked for as submittedDate:[202603010000 TO 202603312359]"
_RANGE = re.compile(r"\[\s*(\S+)\s+TO\s+(\S+)\s*\]")
_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_STEPS = {8: timedelta(days=1), 12: timedelta(minutes=1), 14: timedelta(seconds=1)}


def _range(text: str) -> tuple[datetime | None, datetime | None]:
    """From when on, and before when: the last day, minute or second is all in it; ``*`` is open."""
    found = _RANGE.fullmatch(text)
    if not found:
        raise Mistake(_NO_RANGE)
    since = None if found[1] == "*" else _moment(found[1])
    last = None if found[2] == "*" else _moment(found[2])
    if since and last and last < since:
        raise Mistake(f"{quoted(found[2])} is before {quoted(found[1])}")
    try:
        before = last and last + _STEPS[len(found[2])]
    except OverflowError:  # 9999-12-31, which people write for "no end"
        before = None
    return since, before


def _moment(digits: str) -> datetime:
    if not (digits.isascii() and digits.isdigit() and len(digits) in _FORMATS):
        raise Mistake(f"{quoted(digits)} is no date as YYYYMMDDHHMM, in GMT")
    try:
        return datetime.strptime(digits, _FORMATS[len(digits)]).replace(tzinfo=UTC)
    except ValueError:
        raise Mistake(f"{quoted(digits)} is not in the calendar") from None
