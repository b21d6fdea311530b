"""
The tree of a filter: groups, and atoms, which are conditions on one paper.

Every node has its *path* in the operator's YAML and can describe itself in one line.
"""

from dataclasses import dataclass, field
from datetime import datetime

from digestbot.model import AnnounceType, DocumentType

Path = tuple[str | int, ...]

TEXT_FIELDS = ("title", "abstract")
"""Fields that a bare word searches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Atom:
    term: str
    """The condition as written, after its field."""
    label: str = ""
    """Its key, such as ``title``; empty for a bare string."""
    weight: float = 1.0
    path: Path = field(default=(), compare=False)

    def describe(self) -> str:
        """Return the condition as text, such as ``title: survey``."""
        return f"{self.label}: {self.term}" if self.label else self.term


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(_Atom):
    """A phrase within one of *fields*; each word matches in singular and plural."""

    fields: tuple[str, ...]
    words: tuple[str, ...]
    """The words of the phrase, folded."""
    is_prefix: bool = False
    """True if the last word is a prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Near(_Atom):
    """
    All of *terms* in one of *fields*, in any order, near each other.

    The window from the first word of the first hit to the last word of the last hit has at most
    *within* words; two terms may share words.
    """

    fields: tuple[str, ...]
    terms: tuple[Words, ...]
    within: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact(_Atom):
    """Literal characters that form whole words."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex(_Atom):
    """An RE2 expression that is searched in *fields*."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorIs(_Atom):
    """A person or group that may be one of the authors."""

    name: str
    """The name in one of the forms that `authors.readings` knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryIs(_Atom):
    """Category codes, of which the paper has one, possibly as its primary category."""

    codes: frozenset[str]
    is_primary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeIs(_Atom):
    """The announce type."""

    type: AnnounceType


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentIs(_Atom):
    """The document type."""

    type: DocumentType


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIs(_Atom):
    """The source that announced the paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdIs(_Atom):
    """A single paper, by id."""

    paper_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoiIs(_Atom):
    """A single paper, by DOI."""

    doi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DateIn(_Atom):
    """First or latest submission between *since* and *before*."""

    field: str
    """``published`` or ``updated``, as in `Paper`."""
    since: datetime | None
    """Inclusive lower bound; None if open."""
    before: datetime | None
    """Exclusive upper bound; None if open."""


Atom = (
    Words
    | Near
    | Exact
    | Regex
    | AuthorIs
    | CategoryIs
    | TypeIs
    | DocumentIs
    | SourceIs
    | IdIs
    | DoiIs
    | DateIn
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    children: "tuple[Node, ...]"
    path: Path = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf(_Group):
    """True if every child holds, also without children."""

    def describe(self) -> str:
        """Return the children joined by "and"."""
        return " and ".join(_bracketed(child, AnyOf) for child in self.children) or "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf(_Group):
    """True if at least one child holds."""

    def describe(self) -> str:
        """Return the children joined by "or"."""
        return " or ".join(_bracketed(child, AllOf) for child in self.children) or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneOf(_Group):
    """True if none of the children holds."""

    def describe(self) -> str:
        """Return the children after "not"."""
        if len(self.children) == 1:
            return f"not {_bracketed(self.children[0], AllOf, AnyOf)}"
        return f"not ({' or '.join(_bracketed(child, AllOf) for child in self.children)})"


Group = AllOf | AnyOf | NoneOf
Node = Group | Atom


def _bracketed(node: Node, *others: type[Group]) -> str:
    """Describe the node, in brackets where it would be ambiguous."""
    text = node.describe()
    core = node
    while isinstance(core, (AllOf, AnyOf)) and len(core.children) == 1:
        core = core.children[0]
    is_mixed = isinstance(core, others) and len(core.children) > 1
    return f"({text})" if is_mixed else text


def atoms(node: Node, *, negated: bool = False) -> "list[tuple[Atom, bool]]":
    """List the atoms below *node* in order, each with True if it is negated."""
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        inner = negated != isinstance(node, NoneOf)
        return [found for child in node.children for found in atoms(child, negated=inner)]
    return [(node, negated)]
