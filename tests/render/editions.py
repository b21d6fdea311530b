"""Editions for the tests of rendering: plausible, hostile and random ones."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache

from hypothesis import strategies as st

from digestbot.model import (
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
)
from tests.factories import (
    NOW,
    make_batch,
    make_coverage,
    make_edition,
    make_edition_paper,
    make_match,
    make_paper,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "<!channel> & <@U012> <https://evil.example|here>",
    "*bold* _it_ ~no~ `code` |pipe| :smile:",
    "\u202eoverride\u202c \u2066isolate\u2069 nul\x00 esc\x1b[31m",
    "</td></tr></table><img src=x onerror=alert(1)>",
    "[link](javascript:alert(1)) ![x](https://evil.example/x.png) # head",
    "{{ 7 * 7 }} {% raw %} {# no #}",
    "} @misc{evil, title={x}} \\input{/etc/passwd} % & $ # _ ^ ~ \\",
    "line\r\nBcc: victim@example.org\r\n\r\nbody",
    "\ud800 lone \ufffe",
    "quote \" and ' and ` and &amp; &#60;",
    "www.evil.example http://evil.example mailto:x@evil.example",
    "> quoted\n- item\n1. one\n    code",
    "e\u0301\u0302\u0303\u0304 " * 9,
    "分散システムにおける大規模言語モデルの推論",
    "نظام موزع بدون خادم",
)


def full_edition() -> Edition:
    """Return an edition with every fact that can be shown."""
    new = make_paper()
    many = make_paper(
        id="arxiv:2611.04321",
        title="Energy-Aware Scheduling",
        abstract="One sentence on GPUs & energy; a < b.",
        authors=(*(Author(name=f"Author {n}") for n in range(1, 20)), Author(name="Ada Xu")),
        categories=("cs.OS", "cs.DC"),
        primary_category="cs.OS",
        doi="10.1000/Energy.(2026)1",
        journal_ref="J. Energy 7 (2026) 1-20",
        comment=None,
    )
    updated = make_paper(
        id="arxiv:math/0309136",
        version=3,
        title="Old but Serverless",
        abstract="",
        authors=(),
        categories=("math.GT",),
        primary_category="math.GT",
        comment=None,
        updated=NOW - timedelta(days=1),
        published=NOW - timedelta(days=8000),
    )
    before = replace(updated, version=2, title="Old and Serverless", comment="draft")
    updated = replace(updated, comment="accepted at SoCC '04; 12 pages")
    feed = make_paper(
        id="feed:0123456789abcdef",
        title="From a feed",
        abstract="",
        categories=(),
        primary_category=None,
        published=None,
        updated=None,
        comment=None,
        url="javascript:alert(1)",
        pdf_url=None,
    )
    matches = (
        make_match(new, "Serverless"),
        make_match(new, "serverless", field="abstract"),
        make_match(new, "Mixture of Experts", term="mixture of experts"),
        make_match(new, "Ion Stoica", field="author", term="Ion Stoica"),
        make_match(new, "cs.DC", field="category", term="cs.DC"),
    )
    by_author = (make_match(many, "Ada Xu", field="author", term="Ada Xu"),)
    return make_edition(
        papers=(
            make_edition_paper(paper=updated, type=AnnounceType.REPLACE, seq=4, previous=before),
            make_edition_paper(paper=new, matches=matches, score=5.0),
            make_edition_paper(paper=many, matches=by_author, type=AnnounceType.CROSS, seq=2),
            make_edition_paper(paper=feed, source="journal", matches=(), score=0.0, seq=3),
        ),
        omitted=3,
        coverage=(
            make_coverage(batches=full_batches()),
            make_coverage(
                source="journal",
                announced=4,
                matched=1,
                omitted=0,
                categories=(),
                status="late",
                as_of=None,
            ),
        ),
    )


def full_batches() -> tuple[Batch, ...]:
    """Return a batch that is verified in two categories, unverified in one and partial in one."""
    day, at = NOW.date(), NOW - timedelta(hours=2, minutes=50)

    def answer(channel: Channel, outcome: BatchOutcome, lacks: int = 0) -> ChannelAnswer:
        return ChannelAnswer(channel=channel, outcome=outcome, at=at, lacks=lacks)

    feed = answer(Channel.RSS, BatchOutcome.COMPLETE)
    verified = (feed, answer(Channel.OAI, BatchOutcome.COMPLETE))
    lacking = (answer(Channel.RSS, BatchOutcome.COMPLETE, 3), verified[1])
    return (
        make_batch(day=day, papers=58, answers=verified),
        make_batch(day=day, category="cs.OS", papers=9, answers=verified),
        make_batch(
            day=day,
            category="cs.PF",
            papers=4,
            answers=(feed, answer(Channel.OAI, BatchOutcome.DOWN)),
        ),
        make_batch(
            day=day,
            category="cs.LG",
            papers=12,
            state=BatchState.PARTIAL,
            answers=lacking,
            asked_again_at=NOW + timedelta(minutes=30),
        ),
    )


def hostile_edition() -> Edition:
    """Return one paper for each text of `HOSTILE`, which is its title, abstract, author, etc."""
    papers = []
    for number, text in enumerate(HOSTILE, start=1):
        paper = make_paper(
            id=f"arxiv:2611.{number:05}",
            title=text,
            abstract=text * 3,
            authors=(Author(name=text), Author(name="Ion Stoica")),
            categories=(text, "cs.DC"),
            comment=text,
            journal_ref=text,
            doi=text,
            url="https://arxiv.org/abs/1|<x>\"'(" if number % 2 else text,
            pdf_url=text,
        )
        hit = Match(field="title", term=text, text=text[:5], start=0, end=5)
        papers.append(make_edition_paper(paper=paper, matches=(hit,), seq=number))
    batches = tuple(make_batch(category=text) for text in HOSTILE[:3])
    coverage = (
        make_coverage(source=HOSTILE[0], status="partial", note=HOSTILE[1], batches=batches),
    )
    return make_edition(papers=papers, title=HOSTILE[1], coverage=coverage)


def edition_of(number: int, like: EditionPaper) -> Edition:
    """Return an edition of *number* papers that differ only in ids and links."""
    usual = make_paper().id.removeprefix("arxiv:")

    def nth(at: int) -> EditionPaper:
        url = like.paper.url.replace(usual, f"2611.{at:05}")
        return replace(like, seq=at, paper=replace(like.paper, id=f"arxiv:2611.{at:05}", url=url))

    return make_edition(papers=[nth(at) for at in range(1, number + 1)])


LETTERS = "aé分ن𝒪 \t\n\r\x00\x1b\u200b\u202e\u2066\ufeff\ud800😀<>&|*_~`:\"'\\\\{}[]()#@!-"


def drawn_editions(number: int) -> Iterator[Edition]:
    """Draw *number* editions, the same in every run."""
    return (drawn_edition(random.Random(seed)) for seed in range(number))


@cache
def drawn_texts() -> tuple[str, ...]:
    """Draw a thousand hostile texts: empty, endless, mixed."""
    rng = random.Random(20)

    def text() -> str:
        kind = rng.random()
        if kind < 0.4:
            return rng.choice(HOSTILE)
        if kind < 0.5:
            return rng.choice(LETTERS) * rng.choice([1, 300, 10_000])
        if kind < 0.6:
            return " ".join(rng.choices(HOSTILE, k=rng.randint(2, 60)))
        return "".join(rng.choices(LETTERS, k=rng.choice([0, 1, 30, 400])))

    return tuple(text() for _ in range(1000))


def drawn_edition(rng: random.Random) -> Edition:
    """Draw an edition of anything a source could deliver, much faster than `EDITIONS`."""

    def text() -> str:
        return rng.choice(drawn_texts())

    def match() -> Match:
        fields = ("title", "abstract", "author", "category", "comment")
        start = rng.randint(-3, 60)
        return Match(field=rng.choice(fields), term=text(), text=text(), start=start, end=start + 9)

    def entry(seq: int) -> EditionPaper:
        authors = [Author(name=text()) for _ in range(rng.choice([0, 1, 3, 9]))]
        paper = make_paper(
            id=f"arxiv:2611.{seq:05}",
            title=text(),
            abstract=text(),
            authors=tuple(authors * (400 if rng.random() < 0.02 else 1)),
            categories=tuple(text() for _ in range(rng.choice([0, 2, 20]))),
            comment=rng.choice([None, text()]),
            journal_ref=rng.choice([None, text()]),
            doi=rng.choice([None, "10.1000/x(1)<2>", text()]),
            url=rng.choice([text(), "https://example.org/" + text()]),
            pdf_url=rng.choice([None, text(), "https://example.org/" + "&" * 1900]),
        )
        matches = tuple(match() for _ in range(rng.choice([0, 1, 4, 30])))
        kind = rng.choice(list(AnnounceType))
        before = replace(paper, title=text(), comment=text(), doi=text())
        previous = rng.choice([None, before])
        return make_edition_paper(
            paper=paper, type=kind, matches=matches, seq=seq, previous=previous
        )

    coverage = tuple(
        make_coverage(
            source=text(),
            status=rng.choice(["ok", "late"]),
            note=text(),
            batches=tuple(make_batch(category=text()) for _ in range(rng.choice([0, 1, 9]))),
        )
        for _ in range(rng.choice([0, 1, 30]))
    )
    # Mostly one or two: many messages from few papers.
    papers = [entry(seq) for seq in range(rng.choice([0, *[1] * 12, 2, 2, 3, 11, 33]))]
    return make_edition(papers, title=text(), omitted=rng.choice([0, 7]), coverage=coverage)


# No surrogates from hypothesis itself: it cannot print them. HOSTILE has one.
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=60),
    st.text("<>&|*_~`:\"'\\{}[]()#@\x00\u202e\n ", max_size=60),
    st.text(min_size=1, max_size=3).map(lambda text: text * 4000),
)

_MATCHES = st.builds(
    Match,
    field=st.sampled_from(["title", "abstract", "author", "category", "comment"]),
    term=TEXTS,
    text=TEXTS,
    start=st.integers(-3, 50),
    end=st.integers(-3, 90),
)

_PAPERS = st.builds(
    make_paper,
    id=st.sampled_from(["arxiv:2611.00001", "arxiv:math/0309136", "doi:10.1000/x", "feed:abc"]),
    version=st.integers(1, 30),
    title=TEXTS,
    title_raw=TEXTS,
    abstract=TEXTS,
    authors=st.lists(st.builds(Author, name=TEXTS), max_size=9).map(tuple),
    categories=st.lists(TEXTS, max_size=12).map(tuple),
    primary_category=st.none() | TEXTS,
    published=st.sampled_from([None, NOW]),
    updated=st.sampled_from([None, NOW]),
    comment=st.none() | TEXTS,
    journal_ref=st.none() | TEXTS,
    doi=st.none() | TEXTS | st.just("10.1000/x(1)<2>"),
    url=TEXTS | st.text(max_size=9).map("https://example.org/".__add__),
    pdf_url=st.none() | TEXTS,
)

EDITIONS = st.builds(
    make_edition,
    papers=st.lists(
        st.builds(
            make_edition_paper,
            paper=_PAPERS,
            type=st.sampled_from(AnnounceType),
            matches=st.lists(_MATCHES, max_size=4).map(tuple),
            previous=st.none() | st.builds(make_paper, title=TEXTS, comment=st.none() | TEXTS),
        ),
        max_size=13,
    ),
    title=TEXTS.filter(lambda text: bool(text.strip())),
    omitted=st.integers(0, 9),
    coverage=st.lists(
        st.builds(
            make_coverage,
            source=TEXTS,
            status=st.sampled_from(["ok", "empty", "partial", "late", "refused", "never"]),
            note=st.none() | TEXTS,
            categories=st.lists(
                st.builds(
                    CategoryCoverage,
                    category=TEXTS,
                    announced=st.integers(0, 9999),
                    matched=st.integers(0, 9),
                ),
                max_size=12,
            ).map(tuple),
            batches=st.lists(
                st.builds(
                    make_batch,
                    category=TEXTS,
                    state=st.sampled_from(BatchState),
                    papers=st.integers(0, 9999),
                ),
                max_size=5,
            ).map(tuple),
        ),
        max_size=30,
    ).map(tuple),
)
"""Editions of anything a source could deliver."""
