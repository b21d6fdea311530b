"""
An edition as mail: subject, HTML and its plain part, in pieces that are encoded once.

A paper's pieces know nothing of the edition around them and are shared by all that show it alike;
the frame around the papers is rendered once, too, and the parts about the edition once for equal
facts. Mailboxes clip long HTML (Gmail at 102,400 bytes), and what is clipped takes the footer with
it. So the lengths of the pieces are summed before they are put together: abstracts shorten first,
then the last papers become one-line entries, then a number. Begin at `bodies`.

What a personal mail of known papers costs beside two whole pages is measured by ``make bench``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import partial

from markupsafe import Markup, escape

from digestbot.errors import RenderError
from digestbot.model import REPLACEMENTS, AnnounceType, Edition, EditionPaper, Fragments
from digestbot.render.context import RenderContext
from digestbot.render.quoted_printable import (
    decoded,
    encode_fragments,
    encoded,
    field,
    filled,
    size,
)
from digestbot.render.sanitize import clip, shortened
from digestbot.render.templates import Blank, Layout, blank, parted
from digestbot.render.view import (
    ABSTRACTS,
    REASON,
    Cut,
    Section,
    ShownEdition,
    section_titles,
    show,
    show_paper,
    title_of,
    words_of,
)

BODY_MAX = 80_000
"""Octets of a body as it is sent, in quoted-printable: below Gmail's limit however it counts."""
SUBJECT_MAX = 150
PREHEADER = 140
SHORTENED = (700, 300, 120, 0)
"""Characters of an abstract where its theme's length does not fit, from readable to none."""
TOKEN = "token_line"  # noqa: S105 - the name of a field
"""The field that each delivery fills with what tells its reader from all others."""

_NEW = AnnounceType.NEW
# A tuple: to look for an enum in a set takes ten times as long, and each paper is looked at.
_FRESH = tuple(kind for kind in AnnounceType if kind not in REPLACEMENTS)
_NOTHING = Cut(papers=0, lines=0)
_PARTS = ("masthead", "missing", "quiet", "rest", "coverage", "reason", "unsubscribe", "thanks")
"""Templates that know the edition."""
_FIELDS = {
    **{name: Markup(field(name)) for name in (*_PARTS, "papers", "footer", "lines", "number")},  # noqa: S704
    "title": Markup(blank("subject")),  # noqa: S704
    "preheader": Markup(blank("preheader")),  # noqa: S704
}
"""Where the parts come to stand, for the templates around them."""
_NUMBER_FIELD = b"\x00number"
_NUMBER_MAX = len(encoded("99999."))
_PAPERS_FIELD = b"\x00papers"

_Made = tuple[int, Fragments]
"""A paper's octets and pieces, the number still open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """A mail but for its headers: what the readers of one edition have in common."""

    subject: str
    text: Fragments
    html: Fragments


def bodies(edition: Edition, context: RenderContext) -> Bodies:
    """
    The mail's forms, HTML and text of at most 80,000 octets each, whatever the papers bring.

    The one field that is still open in them is `TOKEN`, if the link to unsubscribe has it.

    Raises:
        RenderError: A template is missing or fails, or has no room for any paper.
    """
    text, html = _desks(context)
    issue = _issue(edition, context, text)
    return Bodies(subject=issue.own["subject"], text=_body(text, issue), html=_body(html, issue))


def subject(edition: Edition, context: RenderContext) -> str:
    """``Systems for ML: 7 new papers, 23 Nov``: one line of at most 150 characters."""
    return _issue(edition, context, _desks(context)[0]).own["subject"]


def html(edition: Edition, context: RenderContext) -> str:
    """The HTML body as text."""
    text, html = _desks(context)
    return decoded(_body(html, _issue(edition, context, text)))


def text(edition: Edition, context: RenderContext) -> str:
    """The plain body as text, in lines of 72 columns, links apart."""
    text, _ = _desks(context)
    return decoded(_body(text, _issue(edition, context, text)))


class _Paper:
    """A paper in both forms and all lengths, each rendered when first asked for."""

    __slots__ = ("_heading", "entry", "html", "made", "short_title", "txt")

    def __init__(self, entry: EditionPaper, heading: str) -> None:
        self.entry = entry
        self.short_title = clip(entry.paper.title, 90)
        self._heading = heading
        self.html: Fragments | None = None
        self.txt: Fragments | None = None
        """As nearly all mails have it: with an abstract as long as the theme's."""
        self.made: dict[tuple[str, str, int], _Made] = {}
        """By form, template and length of the abstract."""

    def shows(self, entry: EditionPaper) -> bool:
        """Whether *entry* has the same texts."""
        return self.entry.paper == entry.paper and self.entry.previous == entry.previous

    def usual(self, desk: "_Desk") -> Fragments:
        """What `html` or `txt` is to be, rendered now."""
        _, pieces = self.make(desk, (desk.suffix, "paper", ABSTRACTS[desk.context.theme]))
        setattr(self, desk.suffix, pieces)
        return pieces

    def make(self, desk: "_Desk", key: tuple[str, str, int]) -> _Made:
        """What is kept under *key*, rendered now."""
        _, template, abstract = key
        shown = show_paper(self.entry, desk.context, number=0, abstract=abstract)
        facts = {"paper": shown, "heading": self._heading, "number": _FIELDS["number"]}
        pieces = tuple(
            _NUMBER_FIELD if each == _NUMBER_FIELD else each
            for each in desk.pieces(template, facts)
        )
        octets = sum(_NUMBER_MAX if each == _NUMBER_FIELD else len(each) for each in pieces)
        self.made[key] = (octets, pieces)
        return octets, pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Papers under one heading, which is there if there is another group."""

    title: str | None
    papers: Sequence[_Paper]


OWN = frozenset({"title", "why"})
"""Facts of `edition` that differ from reader to reader: no page is kept for one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """All of a body but its papers, for editions that differ in their own facts only."""

    pieces: Fragments
    """With the papers' place as a field, and nothing yet where an own fact is to be written."""
    blanks: tuple[tuple[int, str, Blank], ...]
    """Where that is, and what: the name of a fact, or what is to be filled with it."""
    size: int
    """Octets of the pieces, the papers' place not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What editions have in common, and the pages that were made of it."""

    shown: ShownEdition
    """Without own facts and papers."""
    pages: dict[tuple[object, ...], _Page] = dataclass_field(default_factory=dict)
    subjects: dict[tuple[object, ...], tuple[str | Blank, ...]] = dataclass_field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Issue:
    """An edition, ready to be laid out in both forms."""

    shared: _Shared
    own: Mapping[str, str]
    """Its own facts, the subject and the preheader among them."""
    groups: Sequence[_Group]
    papers: int


def _issue(edition: Edition, context: RenderContext, desk: "_Desk") -> _Issue:
    """*edition* in words; *desk* has the template of its subject."""
    fresh: list[EditionPaper] = []
    updated: list[EditionPaper] = []
    for entry in edition.papers:
        (fresh if entry.type in _FRESH else updated).append(entry)
    shared = _shared(edition, context, len(fresh))
    # A heading tells two parts from each other; one part alone is told by the count on top.
    titles = section_titles(context.words) if fresh and updated else (None, None)
    parts = zip(titles, (fresh, updated), strict=True)
    groups = [_group(context, title, entries) for title, entries in parts if entries]
    firsts = [paper.short_title for group in groups for paper in group.papers[:3]]
    own = {
        "title": title_of(edition),
        "why": clip(context.filter_in_words, REASON) if context.filter_in_words else "",
        "preheader": shortened("; ".join(firsts[:3]), PREHEADER) or shared.shown.totals,
    }
    own["subject"] = clip(desk.subject(shared, own), SUBJECT_MAX)
    return _Issue(shared=shared, own=own, groups=groups, papers=len(edition.papers))


def _shared(edition: Edition, context: RenderContext, fresh: int) -> _Shared:
    """What `show` says of the edition, but for its papers and own facts."""
    papers = edition.papers
    # The first one nearly always tells, without asking all.
    is_arxiv = bool(papers) and papers[0].paper.id.startswith("arxiv:")
    is_arxiv = is_arxiv or any(entry.paper.id.startswith("arxiv:") for entry in papers)
    key = (
        "shared",
        *(edition.number, edition.created_at, edition.coverage, edition.considered),
        *(edition.omitted, len(papers), fresh, is_arxiv),
        *(context.timezone.key, context.language, context.next_edition_at, context.unsubscribe),
        *(context.public_url, context.edition_url, context.attach, context.theme.value),
    )
    return context.templates.parts.once(key, lambda: _newly_shared(edition, context))


def _newly_shared(edition: Edition, context: RenderContext) -> _Shared:
    shown = show(edition, context, _NOTHING)
    link = shown.unsubscribe
    if link is not None:
        for spelled in ("{token}", "%7Btoken%7D"):
            link = link.replace(spelled, field(TOKEN))
    return _Shared(shown=replace(shown, title="", why=None, unshown=0, unsubscribe=link))


def _group(context: RenderContext, title: str | None, entries: Iterable[EditionPaper]) -> _Group:
    """*entries*, perhaps as another reader's edition had them rendered."""
    heading = "h3" if title else "h2"
    # One text, whose hash is known after the first time: each paper asks for it.
    how = f"{heading} {context.theme} {context.language} {context.timezone.key}"
    kept = context.templates.papers
    lately = kept.lately
    papers = []
    for entry in entries:
        paper = entry.paper
        key = (paper.id, paper.version, entry.type is _NEW or entry.type, entry.matches, how)
        found: _Paper = lately(key) or kept.once(key, partial(_Paper, entry, heading))
        # A source may have mended since what it says of a version.
        if found.entry.paper is not paper or found.entry.previous is not entry.previous:
            found = found if found.shows(entry) else _Paper(entry, heading)
        papers.append(found)
    return _Group(title=title, papers=papers)


class _Desk:
    """The templates of one form, theme and language, and what they have made."""

    def __init__(self, context: RenderContext, suffix: str) -> None:
        self.context = context
        """Whose templates, theme, language and zone are those of all who come to this desk."""
        self.suffix = suffix
        self.is_html = suffix == "html"
        self.words = words_of(context)
        self._made: dict[str, Fragments] = {}
        layouts = [self._layout(name) for name in (*_PARTS, "subject")]
        self._needed = {
            fact
            for fact in OWN
            if any(each.reads is None or fact in each.reads - each.shows for each in layouts)
        }
        """Own facts that a template does not only show: no page is shared without them."""

    def pieces(self, name: str, facts: Mapping[str, object]) -> Fragments:
        """The template *name*, rendered and encoded now."""
        return encode_fragments(self._render(name, facts))

    def lines(self) -> Fragments:
        """What stands around one-line entries."""
        return self._once("lines", _FIELDS)

    def head(self, group: _Group) -> Fragments:
        """What stands above a group."""
        if group.title is None:
            return ()
        section = Section(title=group.title, papers=(), lines=())
        return self._once("section", {"section": section}, group.title)

    def subject(self, shared: _Shared, own: Mapping[str, str]) -> str:
        """The subject as its template has it."""
        key = self._shared_by(own)
        parts = shared.subjects.get(key)
        if parts is None:
            text = parted(self._about("subject", shared.shown, own))
            parts = tuple(Blank.of(part) if at % 2 else part for at, part in enumerate(text))
            shared.subjects[key] = parts
        return "".join([part if isinstance(part, str) else part.written(own) for part in parts])

    def page(self, issue: _Issue, unshown: int = 0) -> tuple[list[bytes], int]:
        """Everything but the papers, whose place is a field, and the octets it takes."""
        key = (self.suffix, unshown, *self._shared_by(issue.own))
        page = issue.shared.pages.get(key)
        if page is None:
            page = issue.shared.pages[key] = self._page(issue, unshown)
        pieces = list(page.pieces)
        octets = page.size
        for at, name, each in page.blanks:
            text = issue.own[name] if name else each.written(issue.own)
            pieces[at] = piece = encoded(str(escape(text)) if self.is_html else text)
            octets += len(piece)
        return pieces, octets

    def _shared_by(self, own: Mapping[str, str]) -> tuple[object, ...]:
        """What of the own facts makes one page differ from another."""
        if not self._needed:
            return (own["title"] == "", own["why"] == "")
        return tuple(own[fact] if fact in self._needed else bool(own[fact]) for fact in OWN)

    def _page(self, issue: _Issue, unshown: int) -> _Page:
        shown = replace(issue.shared.shown, unshown=unshown)
        # The owner's own file, which may break the page as any template of his may.
        style = Markup(self.context.templates.styles.kept)  # noqa: S704
        text = self._render("frame", {**_FIELDS, "style": style})
        text = text.replace(field("footer"), self._render("footer", _FIELDS))
        there = {"missing": shown.missing, "quiet": not issue.papers}
        there["rest"] = unshown or shown.omitted
        text = text.replace(field("papers"), "".join(map(field, ("papers", "quiet", "rest"))))
        for name in _PARTS:
            part = self._about(name, shown, issue.own) if there.get(name, True) else ""
            text = text.replace(field(name), part)
        pieces: list[bytes] = []
        blanks = []
        for at, part in enumerate(parted(text)):
            if at % 2:
                each = Blank.of(part)
                blanks.append((len(pieces), each.name, each))
                pieces.append(b"")
            else:
                pieces += encode_fragments(part)
        octets = size(piece for piece in pieces if piece and piece != _PAPERS_FIELD)
        return _Page(pieces=tuple(pieces), blanks=tuple(blanks), size=octets)

    def _about(self, name: str, shown: ShownEdition, own: Mapping[str, str]) -> str:
        """A template about the edition, with blanks for own facts that it only shows."""
        shows = self._layout(name).shows
        facts = {fact: blank(fact) if fact in shows and own[fact] else own[fact] for fact in OWN}
        edition = replace(shown, title=facts["title"], why=facts["why"] or None)
        return self._render(name, {"edition": edition})

    def _once(self, name: str, facts: Mapping[str, object], variant: str = "") -> Fragments:
        made = self._made.get(name + variant)
        if made is None:
            made = self._made[name + variant] = self.pieces(name, facts)
        return made

    def _render(self, name: str, facts: Mapping[str, object]) -> str:
        return self._layout(name).render({**self.words, **facts})

    def _layout(self, name: str) -> Layout:
        file = f"{name}.txt.j2" if name == "subject" else f"mail/{name}.{self.suffix}.j2"
        return self.context.templates.layout(file, self.context.theme)


def _desks(context: RenderContext) -> tuple[_Desk, _Desk]:
    """Those of the plain part and of HTML."""
    key = ("desks", context.theme.value, context.language, context.timezone.key)
    return context.templates.parts.once(
        key, lambda: (_Desk(context, "txt"), _Desk(context, "html"))
    )


def _body(desk: _Desk, issue: _Issue) -> Fragments:
    page, octets = desk.page(issue)
    room = BODY_MAX - octets
    if room < 0:
        raise RenderError(
            f"template mail/frame.{desk.suffix}.j2 makes {octets:,} bytes even without papers"
        )
    papers = _in_full(desk, issue, room)
    if papers is None:
        papers = _with_lines(desk, issue, room)
    if papers is None:
        papers, unshown = _in_lines(desk, issue, room)
        page, _ = desk.page(issue, unshown)
    if _PAPERS_FIELD in page:
        at = page.index(_PAPERS_FIELD)
        page[at : at + 1] = papers
    return tuple(page)


def _in_full(desk: _Desk, issue: _Issue, room: int) -> list[bytes] | None:
    """All papers with abstracts as long as they can be, or without; None if there is no room."""
    arranged = _as_usual(desk, issue, room)
    if arranged is not None:
        return arranged
    longest = ABSTRACTS[desk.context.theme]
    for length in (length for length in SHORTENED if length < longest):
        made = _made(desk, issue, "paper", length, room)
        if len(made) == issue.papers:
            return _arranged(desk, issue, made, ())
    return None


def _as_usual(desk: _Desk, issue: _Issue, room: int) -> list[bytes] | None:
    """All papers with abstracts as long as the theme's; None if there is no room."""
    # In one go and with as few looks into memory as can be: what most mails need, and no more.
    form = desk.suffix
    arranged: list[bytes] = []
    number = 0
    for group in issue.groups:
        if group.title is not None:
            head = desk.head(group)
            arranged += head
            room -= size(head)
        for paper in group.papers:
            pieces: Fragments = getattr(paper, form) or paper.usual(desk)
            number += 1
            if len(pieces) == 1:
                room -= len(pieces[0])
            else:
                pieces = _numbered(pieces, number)
                room -= sum(map(len, pieces))
            arranged += pieces
            if room < 0:
                return None
    return arranged


def _with_lines(desk: _Desk, issue: _Issue, room: int) -> list[bytes] | None:
    """The first papers without abstracts, the others in one line; None if there is no room."""
    room -= size(desk.lines()) * len(issue.groups)
    lines = _made(desk, issue, "line", 0, room)
    if len(lines) < issue.papers:
        return None
    room -= sum(size(desk.head(group)) for group in issue.groups)
    room -= sum(octets for octets, _ in lines)
    # Each paper that is shown in full takes the place of its line.
    full: list[_Made] = []
    for made, (octets, _) in zip(_made(desk, issue, "paper", 0, BODY_MAX), lines, strict=False):
        room -= made[0] - octets
        if room < 0:
            break
        full.append(made)
    return _arranged(desk, issue, full, lines[len(full) :])


def _in_lines(desk: _Desk, issue: _Issue, room: int) -> tuple[list[bytes], int]:
    """As many papers in one line as there is room for, and how many there is none for."""
    room -= size(desk.lines()) * len(issue.groups)
    # The words about the others take no more than those about all would.
    room -= desk.page(issue, issue.papers)[1] - desk.page(issue)[1]
    lines = _made(desk, issue, "line", 0, room)
    return _arranged(desk, issue, (), lines), issue.papers - len(lines)


def _made(desk: _Desk, issue: _Issue, template: str, abstract: int, room: int) -> list[_Made]:
    """The first papers that take, with what stands above them, at most *room* octets."""
    key = (desk.suffix, template, abstract)
    taken: list[_Made] = []
    for group in issue.groups:
        room -= size(desk.head(group))
    for group in issue.groups:
        for paper in group.papers:
            made = paper.made.get(key) or paper.make(desk, key)
            room -= made[0]
            if room < 0:
                return taken
            taken.append(made)
    return taken


_NUMBERS = tuple(encoded(f"{number:>3}.") for number in range(201))


def _arranged(
    desk: _Desk, issue: _Issue, full: Sequence[_Made], lines: Sequence[_Made]
) -> list[bytes]:
    """The papers in the order of the page, with their numbers and what stands around them."""
    arranged: list[bytes] = []
    begin = 0
    for group in issue.groups:
        end = begin + len(group.papers)
        shown = full[begin:end]
        short = lines[max(0, begin - len(full)) : max(0, end - len(full))]
        if not shown and not short:
            break
        arranged += desk.head(group)
        for number, (_, pieces) in enumerate(shown, start=begin + 1):
            arranged += _numbered(pieces, number)
        if short:
            within: list[bytes] = []
            for number, (_, pieces) in enumerate(short, start=begin + len(shown) + 1):
                within += _numbered(pieces, number)
            arranged += filled(desk.lines(), {"lines": tuple(within)})
        begin = end
    return arranged


def _numbered(pieces: Fragments, number: int) -> Fragments:
    """The *pieces* of a paper with its number."""
    own = _NUMBERS[number] if number < len(_NUMBERS) else encoded(f"{number:>3}.")
    if len(pieces) == 2 and pieces[0] is _NUMBER_FIELD:
        return own, pieces[1]
    return tuple([own if piece is _NUMBER_FIELD else piece for piece in pieces])
