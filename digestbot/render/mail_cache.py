"""
Rendered parts of mails, cached so that editions and readers share them.

A paper is rendered independently of the edition around it, so every mail that shows it alike
reuses its fragments. The frame around the papers is rendered once, and the parts about the
edition once for equal facts. Begin at `PartRenderer`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from markupsafe import Markup, escape

from digestbot.model import AnnounceType, Edition, EditionPaper, Fragments
from digestbot.render import quoted_printable
from digestbot.render.context import RenderContext
from digestbot.render.quoted_printable import encode, encode_fragments, size
from digestbot.render.sanitize import clip
from digestbot.render.templates import Layout, Placeholder, placeholder, split_placeholders
from digestbot.render.view import (
    ABSTRACTS,
    Cut,
    Section,
    ShownEdition,
    show,
    show_paper,
    template_globals,
)

TOKEN = "token_line"  # noqa: S105 - the name of a field
"""Field that each delivery fills with the token that identifies its reader."""
PAPERS_FIELD = b"\x00papers"
NUMBER_FIELD = b"\x00number"
LINES_FIELD = b"\x00lines"
PERSONAL = frozenset({"title", "why", "list_name"})
"""Facts of `edition` that differ between readers; cached pages omit them."""

_NEW = AnnounceType.NEW
_NUMBER_MAX = len(encode("99999."))
_NO_PAPERS = Cut(papers=0, lines=0)
_PARTS = (
    "masthead",
    "incomplete",
    "empty",
    "more",
    "omitted",
    "coverage",
    "reason",
    "unsubscribe",
    "acknowledgement",
)
"""Templates that know the edition."""


def _mark(name: str) -> Markup:
    return Markup(quoted_printable.field(name))  # noqa: S704 - a fixed name


_FIELDS = {
    **{name: _mark(name) for name in (*_PARTS, "papers", "footer", "lines", "number")},
    "title": Markup(placeholder("subject")),  # noqa: S704 - a fixed name
    "preheader": Markup(placeholder("preheader")),  # noqa: S704 - a fixed name
}
"""Marks for the places of the parts, passed to the templates around them."""

RenderedPaper = tuple[int, Fragments]
"""Octets and fragments of a paper; its number is an open field."""
PaperKey = tuple[str, str, int]
"""Form, template and length of the abstract."""


class CachedPaper:
    """A paper in both forms and all lengths, rendered on first use."""

    __slots__ = ("_heading", "entry", "html", "rendered", "short_title", "text")

    def __init__(self, entry: EditionPaper, heading: str) -> None:
        self.entry = entry
        self.short_title = clip(entry.paper.title, 90)
        self._heading = heading
        self.html: Fragments | None = None
        self.text: Fragments | None = None
        """As in nearly all mails: with the theme's full abstract. Likewise `html`."""
        self.rendered: dict[PaperKey, RenderedPaper] = {}

    def shows(self, entry: EditionPaper) -> bool:
        """Return True if *entry* has the same texts."""
        return self.entry.paper == entry.paper and self.entry.previous == entry.previous

    def render_default(self, renderer: "PartRenderer") -> Fragments:
        """Render the paper with the theme's full abstract and cache it."""
        key = (renderer.form, "paper", ABSTRACTS[renderer.context.theme])
        _, fragments = self.render(renderer, key)
        if renderer.is_html:
            self.html = fragments
        else:
            self.text = fragments
        return fragments

    def render(self, renderer: "PartRenderer", key: PaperKey) -> RenderedPaper:
        """Render the paper for *key* and cache it."""
        _, template, abstract = key
        shown = show_paper(self.entry, renderer.context, number=0, abstract=abstract)
        facts = {"paper": shown, "heading": self._heading, "number": _FIELDS["number"]}
        # One object for all number fields: `add_number` finds it with `is`.
        fragments = tuple(
            NUMBER_FIELD if fragment == NUMBER_FIELD else fragment
            for fragment in renderer.fragments(template, facts)
        )
        octets = sum(
            _NUMBER_MAX if fragment is NUMBER_FIELD else len(fragment) for fragment in fragments
        )
        self.rendered[key] = (octets, fragments)
        return octets, fragments


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperGroup:
    """Papers under one heading. A single group has no heading."""

    title: str | None
    papers: Sequence[CachedPaper]


@dataclass(frozen=True, slots=True, kw_only=True)
class _CachedPage:
    """The frame of a body, for editions that differ only in personal facts."""

    fragments: Fragments
    """The papers' place is a field; the place of a personal fact is empty."""
    placeholders: tuple[tuple[int, str, Placeholder], ...]
    """Index of each empty fragment, the fact's name if it is written as is, the placeholder."""
    size: int
    """Octets of the fragments, excluding the papers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedEdition:
    """Facts that several editions share, and the pages rendered from them."""

    shown: ShownEdition
    """The edition without personal facts and papers."""
    pages: dict[tuple[object, ...], _CachedPage] = field(default_factory=dict)
    subjects: dict[tuple[object, ...], tuple[str | Placeholder, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailEdition:
    """An edition, ready for layout in both forms."""

    shared: SharedEdition
    personal: Mapping[str, str]
    """Its personal facts, including ``subject`` and ``preheader``."""
    groups: Sequence[PaperGroup]
    papers: int
    """Number of papers in the groups."""
    more: Sequence[CachedPaper] = ()
    """Papers beyond the limit to show in one line each, as many as could fit."""
    beyond: int = 0
    """Number of papers beyond the limit, those in *more* included."""

    @property
    def total(self) -> int:
        """Number of papers to show in any form."""
        return self.papers + self.beyond


def shared_edition(edition: Edition, context: RenderContext, fresh: int) -> SharedEdition:
    """Return the shared facts of *edition*; *fresh* counts its new papers."""
    papers = edition.papers
    # Nearly always answered by the first paper.
    is_arxiv = bool(papers) and papers[0].paper.id.startswith("arxiv:")
    is_arxiv = is_arxiv or any(
        entry.paper.id.startswith("arxiv:") for entry in (*papers, *edition.more)
    )
    key = (
        "shared",
        *(edition.number, edition.created_at, edition.coverage, edition.considered),
        *(edition.covers_from, edition.covers_to, edition.carried, edition.waiting),
        *(len(edition.more), len(papers), fresh, is_arxiv, context.attach_list),
        *(context.timezone.key, context.language, context.next_edition_at, context.unsubscribe),
        *(context.home_url, context.edition_url, context.theme.value),
    )
    return context.templates.parts.get_or_make(key, lambda: _make_shared(edition, context))


def _make_shared(edition: Edition, context: RenderContext) -> SharedEdition:
    shown = show(edition, context, _NO_PAPERS)
    link = shown.unsubscribe
    if link is not None:
        for spelling in ("{token}", "%7Btoken%7D"):
            link = link.replace(spelling, quoted_printable.field(TOKEN))
    return SharedEdition(
        shown=replace(shown, title="", why=None, list_name="", unshown=0, unsubscribe=link)
    )


def paper_group(
    context: RenderContext, title: str | None, entries: Iterable[EditionPaper]
) -> PaperGroup:
    """Group *entries* under *title*, reusing papers that other editions have rendered."""
    heading = "h3" if title else "h2"
    # One string for all papers: its hash is computed once.
    variant = f"{heading} {context.theme} {context.language} {context.timezone.key}"
    return PaperGroup(title=title, papers=_cached_papers(context, heading, variant, entries))


def paper_lines(context: RenderContext, entries: Iterable[EditionPaper]) -> Sequence[CachedPaper]:
    """Prepare *entries* for one line each, reusing papers that other editions have rendered."""
    variant = f"h2 {context.theme} {context.language} {context.timezone.key}"
    return _cached_papers(context, "h2", variant, entries)


def _cached_papers(
    context: RenderContext, heading: str, variant: str, entries: Iterable[EditionPaper]
) -> Sequence[CachedPaper]:
    cache = context.templates.papers
    get_recent = cache.get_recent
    papers = []
    for entry in entries:
        paper = entry.paper
        key = (paper.id, paper.version, entry.type is _NEW or entry.type, entry.matches, variant)
        found: CachedPaper = get_recent(key) or cache.get_or_make(
            key, partial(CachedPaper, entry, heading)
        )
        # A source may have corrected a version since it was cached.
        if found.entry.paper is not paper or found.entry.previous is not entry.previous:
            found = found if found.shows(entry) else CachedPaper(entry, heading)
        papers.append(found)
    return papers


class PartRenderer:
    """Templates of one form, theme and language, with a cache of their output."""

    def __init__(self, context: RenderContext, form: str) -> None:
        self.context = context
        """Any context with the same templates, theme, language and time zone."""
        self.form = form
        """``txt`` or ``html``."""
        self.is_html = form == "html"
        self._globals = template_globals(context)
        self._cached: dict[str, Fragments] = {}
        layouts = [self._layout(name) for name in (*_PARTS, "subject")]
        self._computed_with = {
            fact
            for fact in PERSONAL
            if any(
                layout.reads is None or fact in layout.reads - layout.shows for layout in layouts
            )
        }
        """Personal facts that a template computes with: pages are shared per value of these."""

    def fragments(self, name: str, facts: Mapping[str, object]) -> Fragments:
        """Render and encode the template *name*, uncached."""
        return encode_fragments(self._render(name, facts))

    def lines(self) -> Fragments:
        """Return the list around one-line entries."""
        return self._once("lines", _FIELDS)

    def heading(self, group: PaperGroup) -> Fragments:
        """Return the heading of *group*, if any."""
        if group.title is None:
            return ()
        section = Section(title=group.title, papers=(), lines=())
        return self._once("section", {"section": section}, group.title)

    def subject(self, shared: SharedEdition, personal: Mapping[str, str]) -> str:
        """Render the subject line."""
        key = self._sharing_key(personal)
        parts = shared.subjects.get(key)
        if parts is None:
            text = split_placeholders(self._render_part("subject", shared.shown, personal))
            parts = tuple(
                Placeholder.parse(part) if at % 2 else part for at, part in enumerate(text)
            )
            shared.subjects[key] = parts
        return "".join([part if isinstance(part, str) else part.render(personal) for part in parts])

    def page(self, mail: MailEdition, unshown: int = 0) -> tuple[list[bytes], int]:
        """Return the page with a field for the papers, and its octets."""
        key = (self.form, unshown, *self._sharing_key(mail.personal))
        page = mail.shared.pages.get(key)
        if page is None:
            page = mail.shared.pages[key] = self._render_page(mail, unshown)
        fragments = list(page.fragments)
        octets = page.size
        for at, name, place in page.placeholders:
            text = mail.personal[name] if name else place.render(mail.personal)
            fragments[at] = fragment = encode(str(escape(text)) if self.is_html else text)
            octets += len(fragment)
        return fragments, octets

    def _sharing_key(self, personal: Mapping[str, str]) -> tuple[object, ...]:
        """Key under which mails with these *personal* facts share a page."""
        if not self._computed_with:
            return (personal["title"] == "", personal["why"] == "")
        return tuple(
            personal[fact] if fact in self._computed_with else bool(personal[fact])
            for fact in PERSONAL
        )

    def _render_page(self, mail: MailEdition, unshown: int) -> _CachedPage:
        shown = replace(mail.shared.shown, unshown=unshown)
        # Unescaped: the operator's own file, which may break the page like any of their templates.
        style = Markup(self.context.templates.styles.kept)  # noqa: S704
        text = self._render("frame", {**_FIELDS, "style": style})
        text = text.replace(_FIELDS["footer"], self._render("footer", _FIELDS))
        is_needed = {
            "incomplete": bool(shown.missing),
            "empty": not mail.papers,
            "more": bool(mail.more),
            "omitted": bool(unshown or shown.waiting or (shown.attach_list and shown.listed)),
        }
        parts = ("papers", "empty", "more", "omitted")
        text = text.replace(_FIELDS["papers"], "".join(_FIELDS[name] for name in parts))
        for name in _PARTS:
            part = (
                self._render_part(name, shown, mail.personal) if is_needed.get(name, True) else ""
            )
            text = text.replace(_FIELDS[name], part)
        fragments: list[bytes] = []
        placeholders = []
        for at, part in enumerate(split_placeholders(text)):
            if at % 2:
                place = Placeholder.parse(part)
                placeholders.append((len(fragments), place.name, place))
                fragments.append(b"")
            else:
                fragments += encode_fragments(part)
        octets = size(part for part in fragments if part not in (b"", PAPERS_FIELD, LINES_FIELD))
        return _CachedPage(
            fragments=tuple(fragments), placeholders=tuple(placeholders), size=octets
        )

    def _render_part(self, name: str, shown: ShownEdition, personal: Mapping[str, str]) -> str:
        """Render a part with placeholders for the personal facts that it only shows."""
        shows = self._layout(name).shows
        facts = {
            fact: placeholder(fact) if fact in shows and personal[fact] else personal[fact]
            for fact in PERSONAL
        }
        edition = replace(
            shown,
            title=facts["title"],
            why=facts["why"] or None,
            list_name=facts["list_name"],
        )
        return self._render(name, {"edition": edition, "lines": _FIELDS["lines"]})

    def _once(self, name: str, facts: Mapping[str, object], variant: str = "") -> Fragments:
        cached = self._cached.get(name + variant)
        if cached is None:
            cached = self._cached[name + variant] = self.fragments(name, facts)
        return cached

    def _render(self, name: str, facts: Mapping[str, object]) -> str:
        return self._layout(name).render({**self._globals, **facts})

    def _layout(self, name: str) -> Layout:
        file = f"{name}.txt.j2" if name == "subject" else f"mail/{name}.{self.form}.j2"
        return self.context.templates.layout(file, self.context.theme)


def part_renderers(context: RenderContext) -> tuple[PartRenderer, PartRenderer]:
    """Return the renderers of the plain and the HTML part."""
    key = ("renderers", context.theme.value, context.language, context.timezone.key)
    return context.templates.parts.get_or_make(
        key, lambda: (PartRenderer(context, "txt"), PartRenderer(context, "html"))
    )


_NUMBERS = tuple(encode(f"{number:>3}.") for number in range(201))


def add_number(fragments: Fragments, number: int) -> Fragments:
    """Fill in the *number* of a paper."""
    encoded = _NUMBERS[number] if number < len(_NUMBERS) else encode(f"{number:>3}.")
    if len(fragments) == 2 and fragments[0] is NUMBER_FIELD:
        return encoded, fragments[1]
    return tuple([encoded if fragment is NUMBER_FIELD else fragment for fragment in fragments])
