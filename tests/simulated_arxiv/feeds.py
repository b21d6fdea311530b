"""The daily feeds, RSS 2.0 and Atom 1.0, in the layout of rss.arxiv.org in 2026."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

from digestbot import taxonomy
from tests.simulated_arxiv.calendar import EASTERN
from tests.simulated_arxiv.model import Event, Kind, SimPaper, World

MAX_ITEMS = 2000
TYPES = ("new", "cross", "replace", "replace-cross")
"""In the order of the feed."""
Entry = tuple[SimPaper, Event, str]
"""A paper, what happened to it, and its announce type."""


class BadSpecError(Exception):
    """Feed that arXiv refuses with 400."""


def entries(world: World, spec: str, now: datetime) -> list[Entry]:
    """
    Return the entries of the feed for *spec*, ``cs.DC+cs.OS``, at *now*.

    Raises:
        BadSpecError: *spec* has an unknown category.
    """
    codes = _codes(spec)
    day = now.astimezone(EASTERN).date()
    best: dict[str, Entry] = {}
    for paper, event in world.feed_of(day, now):
        kind = announce_type(event, codes)
        if kind and (paper.id not in best or _rank(kind) < _rank(best[paper.id][2])):
            best[paper.id] = (paper, event, kind)
    return sorted(best.values(), key=lambda entry: _rank(entry[2]))[:MAX_ITEMS]


def announce_type(event: Event, codes: frozenset[str]) -> str | None:
    """Return the type of *event* in a feed of *codes*; None if it is not listed there."""
    if event.added.isdisjoint(codes) and event.kind is not Kind.REPLACE:
        return None
    is_primary = event.categories[0] in codes
    if event.kind is Kind.REPLACE:
        is_listed = not codes.isdisjoint(event.categories)
        return ("replace" if is_primary else "replace-cross") if is_listed else None
    return "new" if event.kind is Kind.NEW and is_primary else "cross"


def _rank(kind: str) -> int:
    return TYPES.index(kind)


def _codes(spec: str) -> frozenset[str]:
    """Return the categories that *spec* names, each by itself or as part of an archive."""
    found: set[str] = set()
    for each in spec.split("+"):
        codes = taxonomy.expand(each)
        if not codes:
            raise BadSpecError(each)
        found |= {each} if taxonomy.is_category(each) else codes
    return frozenset(found)


def rss(spec: str, found: Sequence[Entry], now: datetime, *, url: str) -> str:
    """Return the feed as RSS 2.0. Its dates are those of the request, fresh or not."""
    midnight = format_datetime(_midnight(now))
    head = f"""<?xml version='1.0' encoding='UTF-8'?>
<rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" \
xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" \
version="2.0">
  <channel>
    <title>{escape(spec)} updates on arXiv.org</title>
    <link>{escape(url)}</link>
    <description>{escape(spec)} updates on the arXiv.org e-print archive.</description>
    <atom:link href={quoteattr(url)} rel="self" type="application/rss+xml"/>
    <docs>http://www.rssboard.org/rss-specification</docs>
    <language>en-us</language>
    <lastBuildDate>{format_datetime(now)}</lastBuildDate>
    <managingEditor>rss-help@arxiv.org</managingEditor>
    <pubDate>{midnight}</pubDate>
    <skipDays>
      <day>Sunday</day>
      <day>Saturday</day>
    </skipDays>
"""
    return head + "".join(_item(entry, midnight) for entry in found) + "  </channel>\n</rss>\n"


def _item(entry: Entry, midnight: str) -> str:
    paper, event, kind = entry
    categories = "\n".join(f"      <category>{code}</category>" for code in event.categories)
    return f"""    <item>
      <title>{escape(paper.title)}</title>
      <link>https://arxiv.org/abs/{paper.id}</link>
      <description>{escape(_description(entry))}</description>
      <guid isPermaLink="false">oai:arXiv.org:{paper.id}v{event.version}</guid>
{categories}
      <pubDate>{midnight}</pubDate>
      <arxiv:announce_type>{kind}</arxiv:announce_type>
      <dc:rights>http://creativecommons.org/licenses/by/4.0/</dc:rights>
      <dc:creator>{escape(", ".join(paper.authors))}</dc:creator>
    </item>
"""


def atom(spec: str, found: Sequence[Entry], now: datetime, *, url: str) -> str:
    """Return the feed as Atom 1.0."""
    head = f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" \
xmlns="http://www.w3.org/2005/Atom" xml:lang="en-us">
  <id>{escape(url)}</id>
  <title>{escape(spec)} updates on arXiv.org</title>
  <updated>{now.astimezone(UTC).isoformat()}</updated>
  <link href={quoteattr(url)} rel="self" type="application/atom+xml"/>
  <subtitle>{escape(spec)} updates on the arXiv.org e-print archive.</subtitle>
"""
    return head + "".join(_atom_entry(entry, now) for entry in found) + "</feed>\n"


def _atom_entry(entry: Entry, now: datetime) -> str:
    paper, event, kind = entry
    categories = "\n".join(f"    <category term={quoteattr(c)}/>" for c in event.categories)
    return f"""  <entry>
    <id>oai:arXiv.org:{paper.id}v{event.version}</id>
    <title>{escape(paper.title)}</title>
    <updated>{now.astimezone(UTC).isoformat()}</updated>
    <link href="https://arxiv.org/abs/{paper.id}" rel="alternate" type="text/html"/>
    <summary>{escape(_description(entry))}</summary>
{categories}
    <published>{_midnight(now).isoformat()}</published>
    <arxiv:announce_type>{kind}</arxiv:announce_type>
    <dc:rights>http://creativecommons.org/licenses/by/4.0/</dc:rights>
    <dc:creator>{escape(", ".join(paper.authors))}</dc:creator>
  </entry>
"""


def error(spec: str, now: datetime, *, url: str) -> str:
    """Return the feed that arXiv sends with 400."""
    return rss(spec, (), now, url=url).replace(
        f"<title>{escape(spec)} updates on arXiv.org</title>",
        f"<title>Feed error for query: {escape(spec)}</title>",
    )


def _description(entry: Entry) -> str:
    paper, event, kind = entry
    return f"arXiv:{paper.id}v{event.version} Announce Type: {kind} \nAbstract: {paper.abstract}"


def _midnight(now: datetime) -> datetime:
    local = now.astimezone(EASTERN)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)
