"""Content shared by all forms: what changed and what an edition covers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digestbot.model import (
    AnnounceType,
    BatchState,
    CategoryCoverage,
    Channel,
    ChannelAnswer,
    DocumentType,
    Form,
)
from digestbot.render import RenderContext, render
from digestbot.render.view import show, show_paper
from tests.factories import (
    NOW,
    make_batch,
    make_coverage,
    make_edition,
    make_edition_paper,
    make_match,
    make_paper,
)

FORMS = (Form.HTML, Form.TEXT, Form.SLACK, Form.MARKDOWN, Form.ATOM)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"comment": None}, {"comment": "accepted at X"}, "v2: new comment: accepted at X"),
        ({"comment": "draft"}, {"comment": None}, "v2: comment removed: draft"),
        ({"title": "Old"}, {"title": "New"}, "v2: previous title: Old"),
        ({"journal_ref": None}, {"journal_ref": "J. 7"}, "v2: new journal reference: J. 7"),
        ({"doi": None}, {"doi": "10.1000/x"}, "v2: new DOI: 10.1000/x"),
        ({"doi": "10.1000/x"}, {"doi": None}, None),  # the source dropped it: not news
        ({}, {}, None),
        (
            {"title": "Old", "comment": "a"},
            {"title": "New", "comment": "b"},
            "v2: previous title: Old; new comment: b",
        ),
    ],
)
def test_update_says_what_changed(
    before: dict[str, Any], after: dict[str, Any], changes: str | None, context: RenderContext
) -> None:
    entry = make_edition_paper(
        paper=make_paper(version=2, **after),
        previous=make_paper(version=1, **before),
        type=AnnounceType.REPLACE,
    )
    assert show_paper(entry, context, number=1, abstract=100).changes == changes


def test_every_form_says_once_what_changed(context: RenderContext) -> None:
    entry = make_edition_paper(
        paper=make_paper(version=2, comment="accepted at X"),
        previous=make_paper(version=1, comment=None),
        type=AnnounceType.REPLACE,
    )
    for form in FORMS:
        body = render(make_edition([entry]), form, context)
        assert "new comment: accepted at X" in body
        assert body.count("accepted at X") == 1


@pytest.mark.parametrize(
    ("document", "announced", "badge", "kind"),
    [
        (DocumentType.PAPER, AnnounceType.NEW, "new", "new"),
        (DocumentType.EDITORIAL, AnnounceType.NEW, "editorial", "new"),
        (DocumentType.FRONT_MATTER, AnnounceType.NEW, "front matter", "new"),
        (DocumentType.CORRECTION, AnnounceType.REPLACE, "updated v2, correction", "update"),
        (DocumentType.RETRACTION, AnnounceType.REPLACE, "retracted", "update"),
        (DocumentType.WITHDRAWAL, AnnounceType.NEW, "withdrawn", "update"),
        (DocumentType.CONCERN, AnnounceType.REPLACE, "expression of concern", "update"),
    ],
)
def test_every_form_names_what_is_not_a_paper(
    document: DocumentType,
    announced: AnnounceType,
    badge: str,
    kind: str,
    context: RenderContext,
) -> None:
    entry = make_edition_paper(
        paper=make_paper(version=2, document_type=document), type=announced, matches=()
    )
    shown = show_paper(entry, context, number=1, abstract=0)
    assert (shown.badge, shown.kind) == (badge, kind)
    for form in FORMS:
        assert badge in render(make_edition([entry]), form, context)


def test_no_changes_without_a_previous_version(context: RenderContext) -> None:
    entry = make_edition_paper(paper=make_paper(version=2), type=AnnounceType.REPLACE)
    assert show_paper(entry, context, number=1, abstract=100).changes is None


def test_footer_states_the_window(context: RenderContext) -> None:
    edition = make_edition(covers_from=NOW - timedelta(days=3), covers_to=NOW)
    assert show(edition, context).covers == (
        "Edition 12 covers papers announced from Fri 20 Nov, 09:00 CET to Mon 23 Nov, 09:00 CET."
    )
    first = replace(edition, number=1, covers_from=None)
    covers = "Edition 1 covers papers announced up to Mon 23 Nov, 09:00 CET."
    assert show(first, context).covers == covers


def test_short_window_names_both_zones_when_clocks_change(context: RenderContext) -> None:
    edition = make_edition(
        covers_from=datetime(2026, 10, 24, 7, tzinfo=UTC),
        covers_to=datetime(2026, 10, 25, 8, tzinfo=UTC),
    )
    window = "Sat 24 Oct, 09:00 CEST to Sun 25 Oct, 09:00 CET: 61 checked, 1 matched"
    assert show(edition, context).window == window


def test_papers_that_waited_are_counted_apart(context: RenderContext) -> None:
    edition = make_edition([make_paper(), make_paper(id="arxiv:2611.00002")], carried=1)
    shown = show(edition, context)
    assert shown.totals == "61 papers checked, 1 matched. 1 paper had waited for this edition."


HIDDEN = "We serve models. " + "We measure it on clusters of many kinds. " * 30 + "At the edge."


@pytest.mark.parametrize(
    ("length", "why"),
    [(700, "edge (later in the abstract)"), (0, "edge (in the abstract)"), (2500, "edge")],
)
def test_a_term_beyond_the_cut_says_where_it_is(
    length: int, why: str, context: RenderContext
) -> None:
    paper = make_paper(abstract=HIDDEN)
    hits = (make_match(paper, "Serverless"), make_match(paper, "edge", field="abstract"))
    entry = make_edition_paper(paper=paper, matches=hits)
    shown = show_paper(entry, context, number=1, abstract=length)
    assert shown.why == ("serverless", why)
    assert shown.terms == ("serverless", "edge")


def test_abstracts_end_with_a_sentence(context: RenderContext) -> None:
    entry = make_edition_paper(paper=make_paper(abstract=HIDDEN))
    shown = show_paper(entry, context, number=1, abstract=700)
    assert "".join(span.text for span in shown.abstract).endswith("of many kinds. …")


UNREAD = ChannelAnswer(channel=Channel.API)


def test_footer_counts_by_source_and_category(context: RenderContext) -> None:
    categories = tuple(
        CategoryCoverage(category=f"cs.{letter}", announced=2000 - at, matched=at)
        for at, letter in enumerate("ABCDEFGHIJ")
    )
    edition = make_edition(coverage=(make_coverage(announced=2000, categories=categories),))
    (source,) = show(edition, context).sources
    moment = "complete as of Mon 23 Nov, 08:30 CET"
    assert source.summary == f"2,000 announced, 7 matched, 3 over the limit, {moment}"
    assert source.categories[:2] == ("cs.A 2,000/0", "cs.B 1,999/1")
    assert source.categories[8:] == ("2 more",)
    for form in (Form.HTML, Form.MARKDOWN):
        assert "cs.B 1,999/1" in " ".join(render(edition, form, context).split())


def test_emphasis_of_the_author_is_kept_in_html(context: RenderContext) -> None:
    paper = make_paper(
        title="E. coli at Scale",
        title_raw=r"\textit{E. coli} at Scale",
        abstract="We show it.",
        abstract_raw=r"We \textbf{show} it.",
    )
    html = render(make_edition([make_edition_paper(paper=paper, matches=())]), Form.HTML, context)
    assert "<em>E. coli</em> at Scale" in html
    assert "We <strong>show</strong> it." in html
    corrected = replace(paper, title="E. coli at scale")
    assert "<em>" not in render(make_edition([corrected]), Form.HTML, context)


def test_incomplete_batches_make_the_edition_incomplete(context: RenderContext) -> None:
    partial = make_batch(state=BatchState.PARTIAL, answers=(UNREAD,))
    shown = show(make_edition(coverage=(make_coverage(batches=(partial,)),)), context)
    (missing,) = shown.missing
    assert missing.startswith("arxiv-systems: cs.DC: 41 papers of Fri 20 Nov so far")
    assert shown.batches == (missing.removeprefix("arxiv-systems: "),)


def test_unverified_batches_are_no_gap(context: RenderContext) -> None:
    unverified = make_batch(answers=(*make_batch().answers[:1], UNREAD))
    shown = show(make_edition(coverage=(make_coverage(batches=(unverified,)),)), context)
    assert shown.missing == ()
    assert "unverified" in shown.batches[0]


def test_third_channel_that_fails_does_not_matter_to_readers(context: RenderContext) -> None:
    """The source's note is for the operator if two channels agree."""
    facts = {"status": "partial", "note": "the query API answered 503"}
    verified = make_coverage(batches=(make_batch(),), **facts)
    assert show(make_edition(coverage=(verified,)), context).missing == ()
    unknown = make_coverage(**facts)
    assert show(make_edition(coverage=(unknown,)), context).missing != ()
