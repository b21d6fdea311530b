"""
Parse arXiv's query syntax, such as ``ti:"cold start" ANDNOT au:smith``, into a filter tree.

The grammar follows arXiv's API ("User's Manual", 5.1, "Details of Query Construction");
``docs/filters.md`` defines what the manual leaves open. Begin at `parse_query`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from digestbot.errors import InvalidPaperId, InvalidValue
from digestbot.filters.arxiv_urls import UnreadableUrl, query_of
from digestbot.filters.authors import readings
from digestbot.filters.conditions import MAX_TERM, READERS, ConditionError, quoted, words_in
from digestbot.filters.databases import find_tag, without_tags
from digestbot.filters.flow_style import flow_style
from digestbot.filters.tree import AllOf, AnyOf, CategoryIs, DateIn, Node, NoneOf, Path
from digestbot.taxonomy import aliases, codes_in, expand, is_category

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

MAX_DEPTH = 32
MAX_SUGGESTION = 400
"""Longest corrected query, in characters, that an error shows."""

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
_OURS |= {"intitle": "ti", "allintitle": "ti", "inauthor": "au", "summary": "abs"}
"""Keys of the YAML language and of other tools, with arXiv's prefix for each."""
_EVERYWHERE = ("title", "abstract", "comment", "journal")
_NO_WORD = re.compile(r"[-+!]|.*[~^?{}&|\\]")
"""Lucene operators that arXiv's manual does not mention."""
_SIGN_HINTS = {
    "-": "use ANDNOT to exclude a word, or ",
    "!": "use ANDNOT to exclude a word, or ",
    "+": "use AND to require a word, or ",
}


def parse_query(text: str, weight: float, path: Path) -> Node:
    """
    Parse *text* into a tree in which every condition has *weight* and *path*.

    All operators have the same precedence and associate to the left, as in arXiv's own parser
    (arXiv/arxiv-search, classic_api/query_parser.py): ``a OR b AND c`` is ``(a OR b) AND c``. The
    query is extracted from a URL and decoded if necessary.

    Raises:
        ConditionError: The query is invalid; the message counts characters of the decoded text
            from 1.
    """
    return _checked(text, _Translator(weight=weight, path=path))


def source_query(text: str) -> str:
    """
    Return *text*, a query that arXiv is to answer, decoded and checked like one of a filter.

    Report numbers (``rn:``), which only arXiv can search, are allowed.

    Raises:
        ConditionError: As `parse_query`.
    """
    _checked(text, _Translator(weight=1.0, path=(), has_reports=True))
    return query_of(text)


def _checked(text: str, translator: "_Translator") -> Node:
    try:
        decoded = query_of(text)
    except UnreadableUrl as error:
        raise ConditionError(str(error)) from error
    try:
        return _translated(decoded, translator)
    except _Misplaced as error:
        where = f"at character {error.place + 1}"
        if decoded != text.strip():
            where = f"in {quoted(decoded)}, {where}"
        raise ConditionError(f"{where}: {_with_suggestion(decoded, error)}") from error


class _Misplaced(Exception):
    """An error at a character of the query."""

    def __init__(self, place: int, message: str, suggestion: str | None = None) -> None:
        self.place = place
        self.suggestion = suggestion
        """A correct query; empty if there is none, None to repair the given one."""
        super().__init__(message)


def _translated(text: str, translator: "_Translator") -> Node:
    found = translator.query(_parsed(text), "all", 1)
    if _depth(found) > MAX_DEPTH:
        raise _Misplaced(0, f"AND and OR alternate more than {MAX_DEPTH} times; split the query")
    return found


def _depth(node: Node) -> int:
    """Count the levels of groups; iterative, because a chain of operators can be long."""
    level, depth = [node], 0
    while level:
        level = [c for n in level if isinstance(n, (AllOf, AnyOf, NoneOf)) for c in n.children]
        depth += 1
    return depth


# The parser and its error messages


@lru_cache(maxsize=1)
def _parser() -> "Lark":
    from lark import Lark  # takes 60 ms, needed for queries only

    return Lark(GRAMMAR, parser="lalr", lexer="basic", maybe_placeholders=True)


def _parsed(text: str) -> "Tree[Token]":
    from lark import UnexpectedCharacters, UnexpectedToken

    if not text:
        raise ConditionError("the query is empty")
    _check_tags(text)
    try:
        tokens = list(_parser().lex(text))
        _check_codes(tokens)
        tree: Any = _parser().parse(text)
    except UnexpectedCharacters as error:
        place: Any = error.pos_in_stream
        raise _Misplaced(place, _stray(text[place])) from error
    except UnexpectedToken as error:
        before = [token for token in tokens if _place(token) < _place(error.token)]
        _explain(before if error.token.type != "$END" else tokens, error.token)
    found: Tree[Token] = tree.children[0]
    return found


def _check_tags(text: str) -> None:
    """Refuse field tags of other search tools."""
    if tag := find_tag(text):
        what = f"{quoted(tag.tag)} is the syntax of {tag.tool}; here a prefix precedes each term"
        raise _Misplaced(tag.place, what, without_tags(text))


def _check_codes(tokens: "Sequence[Token]") -> None:
    """Refuse a category without its prefix next to one with it: ``cat:cs.AI OR cs.LG``."""
    if not any(_is_cat(token) for token in tokens):
        return
    for token in _without_prefix(tokens):
        if token.type == "WORD" and expand(token.strip(",")):
            what = f"{quoted(token)} lacks its prefix; every category needs one"
            raise _Misplaced(_place(token), what)


def _is_cat(token: "Token") -> bool:
    return token.type == "FIELD" and token.lower() in ("cat:", "category:", "primary:")


def _without_prefix(tokens: "Sequence[Token]") -> "Iterator[Token]":
    """Yield the terms without a prefix, before them or before their brackets."""
    prefixed, before = [False], None
    for token in tokens:
        is_prefixed = before is not None and before.type == "FIELD"
        if token.type == "LPAR":
            prefixed.append(is_prefixed or prefixed[-1])
        elif token.type == "RPAR":
            prefixed = prefixed[:-1] or [False]
        elif token.type in ("WORD", "PHRASE") and not (is_prefixed or prefixed[-1]):
            yield token
        before = token


def _place(token: "Token") -> int:
    return token.start_pos or 0


def _stray(sign: str) -> str:
    if sign in '"“”':
        return "this quote is not closed"
    return f"unmatched {quoted(sign)}; square brackets are only for date ranges"


def _explain(before: "Sequence[Token]", token: "Token") -> NoReturn:
    """Raise the error for *token*, the first unexpected one after *before*."""
    last = before[-1] if before else None
    place = _place(token)
    if str(token) == "NOT":
        raise _Misplaced(place, _NO_NOT)
    if last is not None and last.type == "OPERATOR" and token.type == "OPERATOR":
        raise _Misplaced(place, f"missing condition between {quoted(last)} and {quoted(token)}")
    if last is not None and last.type in ("FIELD", "OPERATOR"):
        what = "term" if last.type == "FIELD" else "condition"
        raise _Misplaced(_place(last), f"missing {what} after {quoted(last)}")
    if token.type == "$END":
        raise _Misplaced(_unclosed(before), "this bracket is not closed")
    if token.type == "OPERATOR":
        raise _Misplaced(place, f"missing condition before {quoted(token)}")
    if token.type == "RPAR":
        is_empty = last is not None and last.type == "LPAR"
        raise _Misplaced(place, "empty brackets" if is_empty else 'unmatched ")"')
    raise _Misplaced(place, _no_operator(token))


_NO_NOT = "arXiv's syntax has no NOT; ANDNOT between two conditions excludes the second"
_OTHER_OPERATORS = {"&&": "AND", "||": "OR", "&": "AND", "|": "OR", "+": "AND", "-": "ANDNOT"}
_OTHER_OPERATORS |= {"and": "AND", "or": "OR", "andnot": "ANDNOT", "not": "ANDNOT", "!": "ANDNOT"}


def _no_operator(token: str) -> str:
    if operator := _OTHER_OPERATORS.get(token.lower()):
        return f"{quoted(token)} is not an operator; use {operator}"
    return f"missing AND, OR or ANDNOT before {quoted(token)}; a phrase needs quotes"


def _unclosed(tokens: "Sequence[Token]") -> int:
    """Return the place of the last bracket still open at the end."""
    waiting = []
    for token in tokens:
        if token.type == "LPAR":
            waiting.append(_place(token))
        elif token.type == "RPAR":
            waiting.pop()
    return waiting[-1]


# Suggestions


def _with_suggestion(text: str, error: _Misplaced) -> str:
    """Return the message with a correct query, if one can be found."""
    found = _repaired(text) if error.suggestion is None else error.suggestion
    if not found or found == text or len(found) > MAX_SUGGESTION or not _is_valid(found):
        return str(error)
    message = re.sub(r'; did you mean "[^"]*"\?$', "", str(error))
    return f"{message}; write {flow_style({'query': found})}"


def _is_valid(query: str) -> bool:
    try:
        _translated(query, _Translator(weight=1.0, path=(), has_reports=True))
    except (_Misplaced, ConditionError):
        return False
    return True


def corrected(text: str) -> str | None:
    """Return *text* if it is a query, or a query that it probably means, or None."""
    found = text if _is_valid(text) else _repaired(text)
    return found if found and _is_valid(found) else None


def _repaired(text: str) -> str:
    """Return *text* with its operators, brackets, quotes and prefixes corrected, where possible."""
    from lark import LarkError

    if re.match(r"[-!(\s]*(?:NOT\b|[-!])", text):
        return ""  # excludes only: nothing is left to find
    text = _CALL.sub(r'"\1"', text)
    if text.count('"') % 2:
        text = f'{text}"'
    try:
        tokens = list(_parser().lex(text.replace("]", "").replace("[", "")))
    except LarkError:
        return ""
    return _joined_tokens(_with_operators(_words_in_quotes(tokens)))


_CALL = re.compile(r'(?<![\w"])((?!(?:AND|OR|ANDNOT|NOT)\()[^\W\d_]+\(\w+\))(?![\w"])')
"""Brackets of a term, as in ``O(n)``."""
Part = tuple[str, str]
"""The type and the text of a token."""


def _words_in_quotes(tokens: "Sequence[Token]") -> list[Part]:
    """Correct each token, and put runs of words in quotes."""
    parts: list[Part] = []
    for token in tokens:
        if token.type == "WORD" and token.lower() in _OTHER_OPERATORS:
            parts.append(("OPERATOR", _OTHER_OPERATORS[token.lower()]))
        elif token.type == "WORD" and token[0] in _SIGNS and token[1:]:
            parts += [("OPERATOR", _SIGNS[token[0]]), ("WORD", token[1:])]
        elif token.type == "WORD" and parts and parts[-1][0] == "WORD":
            parts[-1] = ("WORD", '"' + f"{parts[-1][1]} {token}".replace('"', "") + '"')
        elif token.type == "FIELD":
            parts.append(("FIELD", _known_prefix(token)))
        else:
            text = str(token)
            parts.append((token.type, "ANDNOT" if text == "NOT" else text))
    return parts


_SIGNS = {"-": "ANDNOT", "!": "ANDNOT", "+": "AND"}


def _known_prefix(token: str) -> str:
    name = token.removesuffix(":").lower()
    known = {prefix.lower(): prefix for prefix in (*PREFIXES, "rn")} | _OURS
    near = get_close_matches(name[:40], known, n=1)
    return f"{known[near[0]]}:" if near else token


def _with_operators(parts: Sequence[Part]) -> list[Part]:
    """Add missing operators, prefixes of categories and brackets; drop what has no condition."""
    has_cat = ("FIELD", "cat:") in parts
    found: list[Part] = []
    depth = 0
    for kind, text in parts:
        last = found[-1][0] if found else "LPAR"
        if kind == "OPERATOR" and last == "OPERATOR":
            found[-1] = (kind, text)
        elif (kind == "OPERATOR" and last == "LPAR") or (kind == "RPAR" and not depth):
            continue
        else:
            if kind == "RPAR" and last == "OPERATOR":
                found.pop()
            if kind not in ("OPERATOR", "RPAR") and last in ("WORD", "PHRASE", "RPAR", "RANGE"):
                found.append(("OPERATOR", "AND"))
            found.append((kind, _with_prefix(text, last) if has_cat and kind == "WORD" else text))
        depth += (kind == "LPAR") - (kind == "RPAR")
    while found and found[-1][0] in ("OPERATOR", "FIELD", "LPAR"):
        depth -= found.pop()[0] == "LPAR"
    return [*found, *[("RPAR", ")")] * depth]


def _with_prefix(word: str, before: str) -> str:
    """Return *word* with ``cat:`` if it has one or more categories."""
    codes = codes_in(word)
    if not codes:
        return word
    if len(codes) > 1:
        return f"({' OR '.join(codes)})" if before == "FIELD" else f"cat:({' OR '.join(codes)})"
    return codes[0] if before in ("FIELD", "LPAR") else f"cat:{codes[0]}"


def _joined_tokens(parts: Sequence[Part]) -> str:
    text = " ".join(text if kind != "FIELD" else f"{text}\0" for kind, text in parts)
    return text.replace("\0 ", "").replace("( ", "(").replace(" )", ")")


# From the parse tree to conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Translator:
    """Translates a parse tree into conditions."""

    weight: float
    path: Path
    has_reports: bool = False
    """Report numbers can be searched."""

    def query(self, tree: "Tree[Token]", field: str, depth: int) -> Node:
        """Translate clauses and their operators; *field* is the prefix of a bare word."""
        parts: Any = tree.children
        node = self._clause(parts[0], field, depth)
        for operator, clause in zip(parts[1::2], parts[2::2], strict=True):
            if operator == "NOT":
                raise _Misplaced(operator.start_pos, _NO_NOT)
            node = self._joined(node, str(operator), self._clause(clause, field, depth))
        return node

    def _joined(self, left: Node, operator: str, right: Node) -> Node:
        """Join two nodes; a chain of one operator becomes one group."""
        if operator == "OR":
            return AnyOf(children=(*_children(left, AnyOf), right), path=self.path)
        if operator == "ANDNOT":
            right = NoneOf(children=(right,), path=self.path)
        return AllOf(children=(*_children(left, AllOf), right), path=self.path)

    def _clause(self, tree: "Tree[Token]", field: str, depth: int) -> Node:
        parts: Any = tree.children
        prefix, value = parts
        name = field if prefix is None else _field(prefix, has_reports=self.has_reports)
        if hasattr(value, "children"):
            return self._group(value, name, depth)
        try:
            return self._term(name, value)
        except (ConditionError, InvalidValue) as error:
            suggestion = None if name == "cat" else ""
            raise _Misplaced(_place(value), str(error), suggestion) from error

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
            _check_category(token, field)
        text = token.strip('"“”').strip() if token.type == "PHRASE" else str(token)
        if len(text) > MAX_TERM:
            raise ConditionError(f"longer than {MAX_TERM} characters")
        return _READERS[field](text, self.weight, self.path)

    def _dates(self, field: str, token: "Token") -> Node:
        if token.type != "RANGE" or field not in DATES:
            raise ConditionError(_NO_RANGE)
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


def _field(token: "Token", *, has_reports: bool) -> str:
    """Return the prefix as the manual spells it."""
    name = token.removesuffix(":")
    known = {prefix.lower(): prefix for prefix in PREFIXES}
    if name.lower() in known:
        return known[name.lower()]
    if name.lower() == "rn" and has_reports:
        return "jr"  # read like a journal reference; only arXiv can search it
    if name.lower() == "rn":
        message = '"rn" is not supported: no source provides report numbers'
        raise _Misplaced(_place(token), message)
    prefixes = known | _OURS
    near = get_close_matches(name[:40].lower(), prefixes, n=1)
    all_prefixes = ", ".join(PREFIXES)
    hint = f'; did you mean "{prefixes[near[0]]}"?' if near else f"; choose one of {all_prefixes}"
    raise _Misplaced(_place(token), f"unknown prefix {quoted(name)}{hint}")


def _check_category(word: str, field: str) -> None:
    """Refuse several categories in one word: ``cat:cs.AI,cs.LG``."""
    if field == "cat" and len(codes_in(word)) > 1 and not expand(word):
        raise ConditionError(f"{quoted(word)} is not one category; use brackets and OR")


def _check_word(word: str, field: str) -> None:
    """Refuse the syntax of other search languages instead of ignoring it."""
    if word.endswith(":") or (":" in word and field not in ("id", "all")):
        raise ConditionError(f'":" is allowed only after a prefix; put {quoted(word)} in quotes')
    if found := _NO_WORD.match(word):
        sign = found[0][-1]
        hint = _SIGN_HINTS.get(sign, "")
        what = f"{quoted(sign)} has no meaning in arXiv's syntax"
        raise ConditionError(f"{what}; {hint}put {quoted(word)} in quotes")


def _words(key: str) -> Callable[[str, float, Path], Node]:
    return lambda text, weight, path: READERS[key](text, key, weight, path)


def _author(text: str, weight: float, path: Path) -> Node:
    if text.endswith("*"):
        return words_in("author")(text.replace("_", " "), "author", weight, path)
    return READERS["author"](_name(text), "author", weight, path)


def _name(text: str) -> str:
    """Read a name as arXiv does: ``smith_j`` as "smith, j", ``del_maestro`` as "del maestro"."""
    names = text.split("_")
    end = len(names)
    while end > 1 and len(names[end - 1].rstrip(".")) == 1:
        end -= 1
    family, initials = " ".join(names[:end]), " ".join(names[end:])
    return f"{family}, {initials}" if initials and len(family) > 1 else " ".join(names)


def _anywhere(text: str, weight: float, path: Path) -> Node:
    """Search every field, as for ``all:``; authors by family name."""
    if text.endswith("*"):
        return words_in(*_EVERYWHERE, "author")(text, "all", weight, path)
    children: list[Node] = [words_in(*_EVERYWHERE)(text, "all", weight, path)]
    if readings(_name(text)):
        children.append(_author(text, weight, path))
    if is_category(text):
        codes = aliases(text)
        children.append(
            CategoryIs(term=text, label="category", weight=weight, path=path, codes=codes)
        )
    with suppress(InvalidPaperId):  # most words are not ids
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
"""Date prefixes, and the date of a paper that each one checks."""
PREFIXES = (*_READERS, *DATES)


# Dates

_NO_RANGE = "write a date range as submittedDate:[202603010000 TO 202603312359]"
_RANGE = re.compile(r"\[\s*(\S+)\s+TO\s+(\S+)\s*\]")
_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_STEPS = {8: timedelta(days=1), 12: timedelta(minutes=1), 14: timedelta(seconds=1)}


def _range(text: str) -> tuple[datetime | None, datetime | None]:
    """Return the inclusive start and exclusive end of a range. ``*`` is None, an open end."""
    found = _RANGE.fullmatch(text)
    if not found:
        raise ConditionError(_NO_RANGE)
    since = None if found[1] == "*" else _moment(found[1])
    last = None if found[2] == "*" else _moment(found[2])
    if since and last and last < since:
        raise ConditionError(
            f"the range ends before it begins: {quoted(found[2])} is before {quoted(found[1])}"
        )
    try:
        before = last and last + _STEPS[len(found[2])]
    except OverflowError:  # 9999-12-31, a common way to write "no end"
        before = None
    return since, before


def _moment(digits: str) -> datetime:
    if not (digits.isascii() and digits.isdigit() and len(digits) in _FORMATS):
        raise ConditionError(
            f"{quoted(digits)} is not a date; write YYYYMMDD or YYYYMMDDHHMM, in GMT"
        )
    try:
        return datetime.strptime(digits, _FORMATS[len(digits)]).replace(tzinfo=UTC)
    except ValueError:
        raise ConditionError(f"{quoted(digits)} is not a date in the calendar") from None
