"""
An edition as mail: subject, HTML and its plain part, in pieces that are encoded once.

A paper's pieces know nothing of the edition around them and are shared by all that show it alike;
the frame around the papers is rendered once, too. Mailboxes clip long HTML (Gmail at 102,400
bytes), and what is clipped takes the footer with it. So the lengths of the pieces are summed before
they are put together: abstracts shorten first, then the last papers become one-line entries, then a
number.
Begin at `bodies`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from markupsafe import Markup, escape

from digestbot.errors import RenderError
from digestbot.model import REPLACEMENTS, Edition, EditionPaper, Pieces
from digestbot.render.context import RenderContext
from digestbot.render.pieces import decoded, encoded, field, filled, pieces_of, size
from digestbot.render.safe import clip
from digestbot.render.view import (
    ABSTRACTS,
    Cut,
    Section,
    ShownEdition,
    by_section,
    section_titles,
    show,
    show_paper,
    words_of,
)

BODY_MAX = 80_000
"""Octets of a body as it is sent, in quoted-printable: below Gmail's limit however it counts."""
SUBJECT_MAX = 150
SHORTENED = (700, 300, 120, 0)
"""Characters of an abstract where its theme's length does not fit, from readable to none."""
TOKEN = "token"  # noqa: S105 - the name of a field
"""The field that each delivery fills with what tells its reader from all others."""

_NOTHING = Cut(papers=0, lines=0)
_FIELDS = {
    name: Markup(field(name))  # noqa: S704 - a constant
    for name in (
        *("title", "preheader", "masthead", "missing", "papers", "footer", "lines"),
        *("coverage", "reason", "unsubscribe", "thanks"),
    )
}
_NUMBER = Markup(field("number"))  # noqa: S704 - a constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """A mail but for its headers: what the readers of one edition have in common."""

    subject: str
    text: Pieces
    html: Pieces


def bodies(edition: Edition, context: RenderContext) -> Bodies:
    """
    The mail's forms, HTML and text of at most 80,000 octets each, whatever the papers bring.

    The one field that is still open in them is `TOKEN`, if the link to unsubscribe has it.

    Raises:
        RenderError: A template is missing or fails, or has no room for any paper.
    """
    shown = _shown(edition, context)
    subject = _subject(shown, context)
    papers = by_section(edition.papers)
    text, html = (
        _body(_Desk.of(context, form), shown, subject, papers) for form in ("txt", "html")
    )
    return Bodies(subject=subject, text=text, html=html)


def subject(edition: Edition, context: RenderContext) -> str:
    """``Systems for ML: 7 new papers, 23 Nov``: one line of at most 150 characters."""
    return _subject(_shown(edition, context), context)


def html(edition: Edition, context: RenderContext) -> str:
    """The HTML body as text."""
    return _text(edition, context, "html")


def text(edition: Edition, context: RenderContext) -> str:
    """The plain body as text, in lines of 72 columns, links apart."""
    return _text(edition, context, "txt")


def _text(edition: Edition, context: RenderContext, form: str) -> str:
    shown = _shown(edition, context)
    papers = by_section(edition.papers)
    return decoded(_body(_Desk.of(context, form), shown, _subject(shown, context), papers))


def _shown(edition: Edition, context: RenderContext) -> ShownEdition:
    shown = show(edition, context, _NOTHING)
    link = shown.unsubscribe
    if link is not None:
        for written in ("{token}", "%7Btoken%7D"):
            link = link.replace(written, field(TOKEN))
    return replace(shown, unshown=0, unsubscribe=link)


def _subject(shown: ShownEdition, context: RenderContext) -> str:
    facts = {"edition": shown, **words_of(context)}
    return clip(context.templates.render("subject.txt.j2", facts, context.theme), SUBJECT_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """The templates of one form, and what they have in common for all papers and readers."""

    context: RenderContext
    suffix: str
    words: Mapping[str, object]
    key: tuple[object, ...]
    """All that a piece depends on beside its own facts."""

    @classmethod
    def of(cls, context: RenderContext, suffix: str) -> "_Desk":
        key = (suffix, context.theme, context.language, context.timezone.key)
        return cls(context=context, suffix=suffix, words=words_of(context), key=key)

    def pieces(self, name: str, facts: Mapping[str, object]) -> Pieces:
        """The template *name*, rendered and encoded now."""
        file = f"mail/{name}.{self.suffix}.j2"
        text = self.context.templates.render(file, {**self.words, **facts}, self.context.theme)
        return pieces_of(text)

    def frame(self, name: str) -> Pieces:
        """A template that knows nothing but fields."""
        return self.context.templates.once(
            (*self.key, name), lambda: self.pieces(name, {**_FIELDS, "style": self._style()})
        )

    def about(self, name: str, shown: ShownEdition) -> Pieces:
        """A template that knows the edition: kept for all editions with the facts that it reads."""
        layout = self.context.templates.layout(f"mail/{name}.{self.suffix}.j2", self.context.theme)
        if layout.reads is None:
            return self.pieces(name, {"edition": shown})
        read = tuple(getattr(shown, fact, None) for fact in layout.reads)
        return self.context.templates.once(
            (*self.key, name, read), lambda: self.pieces(name, {"edition": shown})
        )

    def text(self, text: str) -> Pieces:
        """*text* as this form writes it."""
        return pieces_of(str(escape(text)) if self.suffix == "html" else text)

    def paper(self, entry: EditionPaper, heading: str) -> "_Paper":
        """*entry*, perhaps as another reader's edition had it rendered."""
        key = (*self.key, heading, entry.paper.id, entry.paper.version, entry.type, entry.matches)
        kept = self.context.templates.once(key, lambda: _Paper(self, entry, heading))
        # A source may have mended since what it says of a version.
        return kept if kept.shows(entry) else _Paper(self, entry, heading)

    def _style(self) -> Markup:
        # The owner's own file, which may break the page as any template of his may.
        return Markup(self.context.templates.styles.kept)  # noqa: S704


class _Paper:
    """A paper in all its lengths, each rendered when first asked for."""

    __slots__ = ("_desk", "_full", "_heading", "_line", "entry")

    def __init__(self, desk: _Desk, entry: EditionPaper, heading: str) -> None:
        self.entry = entry
        self._desk = desk
        self._heading = heading
        self._full: dict[int, Pieces] = {}
        self._line: Pieces | None = None

    def shows(self, entry: EditionPaper) -> bool:
        """Whether *entry* has the same texts."""
        pairs = ((self.entry.paper, entry.paper), (self.entry.previous, entry.previous))
        return all(mine is theirs or mine == theirs for mine, theirs in pairs)

    def full(self, abstract: int, number: Pieces) -> Pieces:
        """With the first *abstract* characters of its abstract."""
        made = self._full.get(abstract)
        if made is None:
            made = self._full[abstract] = self._pieces("paper", abstract)
        return made if len(made) == 1 else filled(made, {"number": number})

    def line(self, number: Pieces) -> Pieces:
        """In one line."""
        if self._line is None:
            self._line = self._pieces("line", 0)
        return filled(self._line, {"number": number})

    def _pieces(self, name: str, abstract: int) -> Pieces:
        shown = show_paper(self.entry, self._desk.context, number=0, abstract=abstract)
        facts = {"paper": shown, "heading": self._heading, "number": _NUMBER}
        return self._desk.pieces(name, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Papers under one heading."""

    head: Pieces
    papers: tuple[_Paper, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitting:
    """What of the papers fits: so many in full and as many lines after them."""

    full: Sequence[Pieces]
    lines: Sequence[Pieces]


def _body(desk: _Desk, shown: ShownEdition, title: str, papers: Sequence[EditionPaper]) -> Pieces:
    """The page: the frame with all its fields filled in."""
    groups = _groups(desk, papers)
    footer = filled(
        desk.frame("footer"),
        {part: desk.about(part, shown) for part in ("coverage", "reason", "unsubscribe", "thanks")},
    )
    fields = {
        "title": desk.text(title),
        "preheader": desk.text(shown.preheader),
        "masthead": desk.about("masthead", shown),
        "missing": desk.about("missing", shown) if shown.missing else (),
        "footer": footer,
    }
    around = filled(desk.frame("frame"), {**fields, "papers": ()})
    room = BODY_MAX - size(around)
    rest = _rest(desk, shown)
    if room < size(rest):
        raise RenderError(
            f"template mail/frame.{desk.suffix}.j2 makes {BODY_MAX - room + size(rest):,} bytes"
            " even without papers"
        )
    fitting = _fit(desk, groups, room - size(rest))
    if fitting is None:
        fitting, rest = _fit_lines(desk, shown, groups, room)
    inside = [piece for part in _arranged(desk, groups, fitting) for piece in part]
    if not papers:
        inside += desk.about("quiet", shown)
    return filled(desk.frame("frame"), {**fields, "papers": (*inside, *rest)})


def _groups(desk: _Desk, papers: Sequence[EditionPaper]) -> tuple[_Group, ...]:
    fresh = [entry for entry in papers if entry.type not in REPLACEMENTS]
    updated = papers[len(fresh) :]
    if not fresh or not updated:
        # A heading tells two parts from each other; one part alone is told by the count on top.
        return (_group(desk, None, papers),) if papers else ()
    new, renewed = section_titles(desk.context.words)
    return _group(desk, new, fresh), _group(desk, renewed, updated)


def _group(desk: _Desk, title: str | None, papers: Iterable[EditionPaper]) -> _Group:
    section = Section(title=title, papers=(), lines=())
    heading = "h3" if title else "h2"
    head = desk.context.templates.once(
        (*desk.key, "section", title), lambda: desk.pieces("section", {"section": section})
    )
    return _Group(
        head=head if title else (), papers=tuple(desk.paper(entry, heading) for entry in papers)
    )


def _rest(desk: _Desk, shown: ShownEdition, unshown: int = 0) -> Pieces:
    if not unshown and not shown.omitted:
        return ()
    return desk.about("rest", replace(shown, unshown=unshown))


_NUMBERS = tuple((encoded(f"{number:>3}."),) for number in range(1, 101))


def _numbered(groups: Sequence[_Group]) -> Iterator[tuple[_Paper, Pieces]]:
    at = 0
    for group in groups:
        for paper in group.papers:
            yield paper, _NUMBERS[at] if at < len(_NUMBERS) else (encoded(f"{at + 1:>3}."),)
            at += 1


def _fit(desk: _Desk, groups: Sequence[_Group], room: int) -> _Fitting | None:
    """All papers with abstracts as long as they can be, or without; None if there is no room."""
    count = sum(len(group.papers) for group in groups)
    heads = sum(size(group.head) for group in groups)
    longest = ABSTRACTS[desk.context.theme]
    for length in (longest, *(length for length in SHORTENED if length < longest)):
        full = _while_room(
            (paper.full(length, number) for paper, number in _numbered(groups)), room - heads
        )
        if len(full) == count:
            return _Fitting(full=full, lines=())
    heads += size(desk.frame("lines")) * len(groups)
    lines = _while_room((paper.line(number) for paper, number in _numbered(groups)), room - heads)
    if len(lines) < count:
        return None
    # Each paper that is shown in full takes the place of its line.
    left = room - heads - sum(map(size, lines))
    full = []
    for (paper, number), short in zip(_numbered(groups), lines, strict=True):
        pieces = paper.full(0, number)
        left -= size(pieces) - size(short)
        if left < 0:
            break
        full.append(pieces)
    return _Fitting(full=full, lines=lines[len(full) :])


def _fit_lines(
    desk: _Desk, shown: ShownEdition, groups: Sequence[_Group], room: int
) -> tuple[_Fitting, Pieces]:
    """As many papers in one line as there is room for, and the words about the others."""
    count = sum(len(group.papers) for group in groups)
    room -= sum(size(group.head) for group in groups) + size(desk.frame("lines")) * len(groups)
    most = size(_rest(desk, shown, count))
    lines = _while_room((paper.line(number) for paper, number in _numbered(groups)), room - most)
    return _Fitting(full=(), lines=lines), _rest(desk, shown, count - len(lines))


def _while_room(parts: Iterable[Pieces], room: int) -> list[Pieces]:
    """The first of *parts* that take at most *room* octets together."""
    taken = []
    for part in parts:
        room -= size(part)
        if room < 0:
            break
        taken.append(part)
    return taken


def _arranged(desk: _Desk, groups: Sequence[_Group], fitting: _Fitting) -> Iterator[Pieces]:
    full, lines = iter(fitting.full), iter(fitting.lines)
    for group in groups:
        shown = tuple(islice(full, len(group.papers)))
        short = tuple(islice(lines, len(group.papers) - len(shown)))
        if not shown and not short:
            return
        yield group.head
        yield from shown
        if short:
            yield filled(desk.frame("lines"), {"lines": tuple(p for part in short for p in part)})
