"""
Model values for tests: complete and plausible, with every field open to overrides.

Text is in the stored form (plain Unicode plus the original), and match offsets are correct.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from digestbot.model import (
    Announcement,
    AnnounceType,
    Author,
    Batch,
    BatchOutcome,
    BatchState,
    CategoryCoverage,
    Channel,
    ChannelAnswer,
    Edition,
    EditionPaper,
    Match,
    Paper,
    SourceCoverage,
)

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""A Monday, 09:00 in Berlin."""
TITLE = "Serverless Inference for Mixture of Experts at O(n log n) Cost"
TITLE_RAW = r"Serverless Inference for Mixture of Experts at $O(n \log n)$ Cost"
ABSTRACT = (
    "Large models are costly to serve. We present a serverless system that loads experts on "
    "demand and cuts cold starts by 10⁻³ s × the number of layers.\n"
    "On two traces it halves the energy of the best known system."
)


def make_paper(**overrides: Any) -> Paper:
    """Return an arXiv paper; its URLs follow from its *id*."""
    number = str(overrides.get("id", "arxiv:2611.01234")).removeprefix("arxiv:")
    version = overrides.get("version", 1)
    title = overrides.get("title", TITLE)
    abstract = overrides.get("abstract", ABSTRACT)
    fields: dict[str, Any] = {
        "id": f"arxiv:{number}",
        "version": version,
        "title": title,
        "abstract": abstract,
        "title_raw": TITLE_RAW if title == TITLE else title,
        "abstract_raw": abstract,
        "authors": (Author(name="Ana Pérez"), Author(name="Ion Stoica"), Author(name="李明")),
        "categories": ("cs.DC", "cs.LG"),
        "primary_category": "cs.DC",
        "published": NOW - timedelta(days=3),
        "updated": NOW - timedelta(days=3),
        "comment": "12 pages, accepted at SoCC '26",
        "journal_ref": None,
        "doi": None,
        "url": f"https://arxiv.org/abs/{number}v{version}",
        "pdf_url": f"https://arxiv.org/pdf/{number}v{version}",
    }
    return Paper(**fields | overrides)


def make_announcement(**overrides: Any) -> Announcement:
    """Return an announcement of `make_paper()` as new, seen at `NOW`."""
    fields: dict[str, Any] = {
        "seq": 1,
        "paper": overrides.get("paper") or make_paper(),
        "type": AnnounceType.NEW,
        "source": "arxiv-systems",
        "seen_at": NOW,
    }
    return Announcement(**fields | overrides)


def make_match(paper: Paper, text: str, *, field: str = "title", term: str = "") -> Match:
    """Return the match of *term* at the first *text* in the given field."""
    content = {
        "title": paper.title,
        "abstract": paper.abstract,
        "author": next((a.name for a in paper.authors if text in a.name), text),
        "category": text,
    }[field]
    start = content.index(text)
    return Match(
        field=field, term=term or text.lower(), text=text, start=start, end=start + len(text)
    )


def make_edition_paper(**overrides: Any) -> EditionPaper:
    """Return `make_paper()` in an edition, matched by "Serverless" if in its title."""
    paper = overrides.get("paper") or make_paper()
    hits = (make_match(paper, "Serverless"),) if "Serverless" in paper.title else ()
    fields: dict[str, Any] = {
        "seq": 1,
        "paper": paper,
        "type": AnnounceType.NEW,
        "source": "arxiv-systems",
        "seen_at": NOW,
        "score": 2.0,
        "matches": hits,
    }
    return EditionPaper(**fields | overrides)


def make_coverage(**overrides: Any) -> SourceCoverage:
    """Return the coverage of a source fetched completely 30 minutes before `NOW`."""
    fields: dict[str, Any] = {
        "source": "arxiv-systems",
        "announced": 61,
        "matched": 7,
        "omitted": 3,
        "first_at": NOW - timedelta(days=3),
        "last_at": NOW - timedelta(minutes=30),
        "categories": (
            CategoryCoverage(category="cs.DC", announced=61, matched=7),
            CategoryCoverage(category="cs.LG", announced=12, matched=2),
        ),
        "status": "ok",
        "as_of": NOW - timedelta(minutes=30),
        "note": None,
    }
    return SourceCoverage(**fields | overrides)


VERIFIED_AT = datetime(2026, 11, 20, 5, 10, tzinfo=UTC)
"""Ten minutes after the daily feed of that Friday."""


def make_batch(**overrides: Any) -> Batch:
    """Return Friday's batch of cs.DC, verified by OAI-PMH and the daily feed."""
    fields: dict[str, Any] = {
        "source": "arxiv-systems",
        "category": "cs.DC",
        "day": VERIFIED_AT.date(),
        "state": BatchState.ANNOUNCED,
        "papers": 41,
        "answers": tuple(
            ChannelAnswer(channel=channel, outcome=BatchOutcome.COMPLETE, at=VERIFIED_AT)
            for channel in (Channel.RSS, Channel.OAI)
        ),
    }
    return Batch(**fields | overrides)


def make_edition(papers: Sequence[EditionPaper | Paper] | None = None, **overrides: Any) -> Edition:
    """
    Return edition 12 of "systems" with *papers*, by default `make_edition_paper()`.

    ``omitted`` is the number of `make_lines` beyond its limit.
    """
    given = (make_edition_paper(),) if papers is None else papers
    entries = tuple(
        paper if isinstance(paper, EditionPaper) else make_edition_paper(paper=paper)
        for paper in given
    )
    fields: dict[str, Any] = {
        "digest": "systems",
        "title": "Systems for ML",
        "number": 12,
        "slot": "2026-11-23T08:00:00Z",
        "created_at": NOW,
        "from_seq": 100,
        "to_seq": 161,
        "papers": entries,
        "covers_from": NOW - timedelta(days=3),
        "covers_to": NOW,
        "considered": 61,
        "coverage": (make_coverage(),),
    }
    if "omitted" in overrides:
        overrides["more"] = make_lines(overrides.pop("omitted"))
    return Edition(**fields | overrides)


def make_lines(number: int, title: str = "Edge Caching in Practice") -> tuple[EditionPaper, ...]:
    """Return *number* papers beyond the limit of an edition, which match "edge"."""
    papers = (
        make_paper(id=f"arxiv:2611.9{n:04}", title=f"{title}, Part {n}")
        for n in range(1, number + 1)
    )
    word = title.split()[0]
    return tuple(
        make_edition_paper(paper=paper, matches=(make_match(paper, word),), score=1.0, seq=1000)
        for paper in papers
    )
