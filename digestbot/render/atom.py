"""
An edition as an Atom feed (RFC 4287), one entry per paper, without abstracts beyond the limit.

Ids never change, so a feed reader recognizes a version of a paper in later editions and in other
digests. Begin at `atom`.
"""

from datetime import datetime
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from markupsafe import escape

from digestbot import __version__
from digestbot.model import Edition, EditionPaper, Paper
from digestbot.render.context import RenderContext
from digestbot.render.sanitize import clip, doi_url, line, rfc3339, url
from digestbot.render.view import ShownPaper, by_section, show, show_lines, show_paper, title_of

NAMESPACE = "http://www.w3.org/2005/Atom"
ARXIV_SCHEME = "http://arxiv.org/schemas/atom"
"""Scheme of categories, as in arXiv's own feeds."""
ABSTRACT = 10_000
NAME = 200


def atom(edition: Edition, context: RenderContext) -> str:
    """Render the feed. Its id is that of the digest; it ends with a line break."""
    shown = show(edition, context)
    feed = Element("feed", {"xmlns": NAMESPACE, "xml:lang": context.lang.tag})
    _text(feed, "id", _uuid("digest", context.public_url or "", edition.digest))
    _text(feed, "title", title_of(edition))
    _text(feed, "subtitle", f"{shown.count}, {shown.date}")
    _text(feed, "updated", rfc3339(edition.created_at))
    # Without an author here, each entry would need one (RFC 4287 4.1.1).
    _text(SubElement(feed, "author"), "name", title_of(edition))
    generator = SubElement(feed, "generator", {"version": __version__})
    generator.text = "digestbot"
    if shown.home:
        SubElement(feed, "link", {"rel": "alternate", "href": shown.home})
    if shown.acknowledgement:
        _text(feed, "rights", shown.acknowledgement)
    for number, entry in enumerate(by_section(edition.papers), start=1):
        paper = show_paper(entry, context, number=number, abstract=ABSTRACT)
        feed.append(_entry(entry, paper, context))
    lines = show_lines(edition.more, context, first=len(edition.papers) + 1)
    for entry, paper in zip(edition.more, lines, strict=True):
        feed.append(_entry(entry, paper, context))
    ElementTree.indent(feed)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(feed, "unicode")}\n'


def _entry(entry: EditionPaper, shown: ShownPaper, context: RenderContext) -> Element:
    paper = entry.paper
    element = Element("entry")
    _text(element, "id", _uuid("paper", paper.id, str(paper.version)))
    _text(element, "title", shown.title_text)
    # The time of the announcement: feed readers sort by it, and a paper may be weeks older.
    _text(element, "updated", rfc3339(entry.seen_at))
    if paper.published:
        _text(element, "published", _published(paper, paper.published, context))
    for name in filter(None, (clip(author.name, NAME) for author in paper.authors)):
        _text(SubElement(element, "author"), "name", name)
    for category in filter(None, map(line, paper.categories)):
        facts = {"term": category}
        if paper.id.startswith("arxiv:"):
            facts["scheme"] = ARXIV_SCHEME
        SubElement(element, "category", facts)
    if link := url(paper.url):
        SubElement(element, "link", {"rel": "alternate", "href": link})
    if link := url(paper.pdf_url):
        facts = {"rel": "related", "type": "application/pdf", "title": "PDF", "href": link}
        SubElement(element, "link", facts)
    if link := doi_url(paper.doi):
        SubElement(element, "link", {"rel": "related", "title": "DOI", "href": link})
    SubElement(element, "content", {"type": "html"}).text = _content(shown)
    return element


def _published(paper: Paper, when: datetime, context: RenderContext) -> str:
    """
    Return the time of publication. RFC 4287 3.3 has no days without a time.

    Such a day is its noon in the digest's time zone, which readers in most zones show as that day.
    """
    if not paper.published_is_date:
        return rfc3339(when)
    return when.replace(hour=12, tzinfo=context.timezone).isoformat()


def _content(shown: ShownPaper) -> str:
    """Return an entry's content as HTML. The feed's XML escapes it once more."""
    abstract = "".join(span.text for span in shown.abstract)
    facts = (shown.badge, *shown.categories, shown.identifier)
    remarks = (shown.changes, shown.comment, shown.journal, *shown.why)
    rows = (
        " · ".join(fact for fact in facts if fact),
        *abstract.split("\n"),
        " · ".join(remark for remark in remarks if remark),
    )
    return "".join(f"<p>{escape(row)}</p>" for row in rows if row)


def _text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _uuid(*parts: str) -> str:
    # Lengths keep ("a", "bc") and ("ab", "c") distinct.
    name = "\0".join(f"{len(part)}:{part}" for part in parts)
    return f"urn:uuid:{uuid5(NAMESPACE_URL, name.encode('utf-8', 'replace').decode())}"
