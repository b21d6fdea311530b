"""
The tree that a filter is: groups of conditions, and atoms that look at one paper.

Every node knows its place in the owner's YAML (*path*) and can say itself in words.
"""

from dataclasses import dataclass, field
from datetime import datetime

from digestbot.filters.authors import Name
from digestbot.model import AnnounceType

Path = tuple[str | int, ...]

TEXT_FIELDS = ("title", "abstract")
"""Where a bare word is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Atom:
    term: str
    """The condition as the owner wrote it, without its field."""
    label: str = ""
    """The key it stood under, such as ``title``; empty for a bare string."""
    weight: float = 1.0
    path: Path = field(default=(), compare=False)

    def in_words(self) -> str:
        """``title: survey``."""
        return f"{self.label}: {self.term}" if self.label else self.term


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(_Atom):
    """Words in a row within one of *fields*, each in the singular or plural."""

    fields: tuple[str, ...]
    words: tuple[str, ...]
    """Folded."""
    is_prefix: bool = False
    """Whether the last word is only a word's beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Near(_Atom):
    """
    All of *terms* in one of *fields*, in any order, near each other.

    From the first word of the first hit to the last word of the last one there are at most *within*
    words; two terms may share words.
    """

    fields: tuple[str, ...]
    terms: tuple[Words, ...]
    within: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact(_Atom):
    """These characters as they stand, not inside a longer word."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex(_Atom):
    """An RE2 expression, somewhere in one of *fields*."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorIs(_Atom):
    """One of the authors may be this person."""

    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryIs(_Atom):
    """One of the paper's categories, or its primary one, is among *codes*."""

    codes: frozenset[str]
    is_primary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeIs(_Atom):
    """Announced as this."""

    type: AnnounceType


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIs(_Atom):
    """Told of by this source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdIs(_Atom):
    """This very paper."""

    paper_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoiIs(_Atom):
    """The paper with this DOI."""

    doi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DateIn(_Atom):
    """Submitted, at first or in this version, from *since* on and before *before*."""

    field: str
    """``published`` or ``updated``, as of `Paper`."""
    since: datetime | None
    before: datetime | None
    """Not in it any more; None, like that of *since*, is no bound."""


Atom = (
    Words | Near | Exact | Regex | AuthorIs | CategoryIs | TypeIs | SourceIs | IdIs | DoiIs | DateIn
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    children: "tuple[Node, ...]"
    path: Path = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf(_Group):
    """Every child holds; with no child, true."""

    def in_words(self) -> str:
        """The children, joined by "and"."""
        return " and ".join(_bracketed(child, AnyOf) for child in self.children) or "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf(_Group):
    """At least one child holds; with no child, false."""

    def in_words(self) -> str:
        """The children, joined by "or"."""
        return " or ".join(_bracketed(child, AllOf) for child in self.children) or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneOf(_Group):
    """No child holds."""

    def in_words(self) -> str:
        """The children after "not"."""
        if len(self.children) == 1:
            return f"not {_bracketed(self.children[0], AllOf, AnyOf)}"
        return f"not ({' or '.join(_bracketed(child, AllOf) for child in self.children)})"


Group = AllOf | AnyOf | NoneOf
Node = Group | Atom


def _bracketed(node: Node, *others: type[Group]) -> str:
    """The node's words, in brackets where "and", "or" and "not" would run together."""
    words = node.in_words()
    core = node
    while isinstance(core, (AllOf, AnyOf)) and len(core.children) == 1:
        core = core.children[0]
    is_mixed = isinstance(core, others) and len(core.children) > 1
    return f"({words})" if is_mixed else words


def atoms(node: Node, *, negated: bool = False) -> "list[tuple[Atom, bool]]":
    """Every atom below *node* in the owner's order, and whether an odd number of nots is above."""
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        inner = negated != isinstance(node, NoneOf)
        return [found for child in node.children for found in atoms(child, negated=inner)]
    return [(node, negated)]
