"""Subject, HTML and plain part of a mail: what they show, and that they are valid."""

import re
import unicodedata
from dataclasses import replace
from quopri import encodestring

import pytest
from hypothesis import given

from digestbot.model import AnnounceType, Author, Edition, Form, Match, Theme
from digestbot.render import (
    RenderContext,
    render,
)
from digestbot.render.mail_layout import BODY_MAX
from digestbot.render.templates import COLUMNS
from tests.factories import (
    make_coverage,
    make_edition,
    make_edition_paper,
    make_match,
    make_paper,
)
from tests.render.editions import (
    EDITIONS,
    full_edition,
    hostile_edition,
)
from tests.render.pages import check_page, read


def test_html_shows_every_fact(context: RenderContext) -> None:
    page = check_page(render(full_edition(), Form.HTML, context))
    for fact in (
        "Systems for ML",
        "Monday, 23 November 2026",
        "top 4 of 7 papers",
        "Ana Pérez, Ion Stoica, 李明",
        "Ada Xu, Author 1, Author 2, Author 3, Author 4, Author 5 and 14 more",
        "12 pages, accepted at SoCC '26",
        "J. Energy 7 (2026) 1-20",
        "cs.DC · cs.LG",
        "cross-list",
        "updated v3",
        "Updated papers",
        "This edition is incomplete.",
        "journal: has not responded yet",
        "3 more papers, beyond this digest's limit of 4:",
        "The next edition is due Tue 24 Nov, 09:00 CET.",
        "You receive this email because you follow: "
        "serverless or mixture of experts; and category cs.DC",
        "Thank you to arXiv",
        "61 papers checked, 7 matched, 3 of them over the limit.",
    ):
        assert fact in page.text
    assert page.text.index("Energy-Aware") < page.text.index("Updated papers")
    assert page.text.index("Updated papers") < page.text.index("Old but Serverless", 900)
    hrefs = {href for href, _ in page.links}
    assert hrefs >= {
        "https://arxiv.org/abs/2611.01234v1",
        "https://arxiv.org/pdf/2611.01234v1",
        "https://doi.org/10.1000/Energy.(2026)1",
        "https://digests.example.org/",
        "mailto:digests@example.org?subject=unsubscribe%20systems",
    }


def test_text_has_the_facts_and_links_of_the_html(context: RenderContext) -> None:
    edition = full_edition()
    text = " ".join(render(edition, Form.TEXT, context).split())
    page = read(render(edition, Form.HTML, context))
    pages = {"https://digests.example.org/"}  # the digest's page: in the HTML part only
    assert {href for href, _ in page.links if href not in text} == pages
    for fact in (
        "14 more",
        "SoCC '26",
        "J. Energy 7",
        "updated v3",
        "INCOMPLETE",
    ):
        assert fact in text


def test_text_footer_has_three_lines_and_the_batches(context: RenderContext) -> None:
    text = render(full_edition(), Form.TEXT, context)
    footer = text.rpartition("-" * 72 + "\n")[2]
    assert footer.splitlines() == [
        "Unsubscribe: mailto:digests@example.org?subject=unsubscribe%20systems",
        "Fri 20 Nov, 09:00 to Mon 23 Nov, 09:00 CET: 61 checked, 7 matched",
        "cs.LG: 12 papers of Mon 23 Nov so far; the daily feed lacks 3 of 12;",
        "asked again at 09:30 CET",
        "cs.PF: 4 papers of Mon 23 Nov, unverified: OAI-PMH does not answer",
        "cs.DC (58), cs.OS (9): all papers of Mon 23 Nov, verified at 06:10 CET",
        "against two channels",
        "Thank you to arXiv for use of its open access interoperability.",
    ]


def test_matching_words_and_authors_are_highlighted(context: RenderContext) -> None:
    html = render(full_edition(), Form.HTML, context)
    assert read(html).marked == [
        "Serverless",
        "Mixture of Experts",
        "serverless",
        "Serverless",
    ]
    assert '<b class="ink" style="color:#1d2129">Ion Stoica</b>' in html
    assert '<b class="ink" style="color:#1d2129">Ada Xu</b>, Author 1' in html


def test_highlighting_survives_escaping(context: RenderContext) -> None:
    paper = make_paper(title="a < b & c > d")
    entry = make_edition_paper(paper=paper, matches=(make_match(paper, "< b &"),))
    html = render(make_edition([entry]), Form.HTML, context)
    assert read(html).marked == ["< b &"]
    assert "&lt; b &amp;</span> c &gt; d" in html


@pytest.mark.parametrize(
    ("hits", "why"),
    [
        ([("title", "serverless", "Serverless")], "serverless"),
        ([("abstract", "gpu", "GPU"), ("title", "gpu", "GPU")], "gpu"),  # each condition once
        ([("title", "title: mixture of experts", "Mixture of Experts")], "mixture of experts"),
        ([("title", "exact: RAG", "RAG")], "RAG"),
        (
            [("abstract", r"regex: \bkv.?cache\b", "KV-cache")],
            "KV-cache",
        ),  # the matched text, not the pattern
        (
            [("author", "author: Ion Stoica", "I. Stoica"), ("title", "gpu", "GPU")],
            "gpu · Ion Stoica",
        ),
        ([("comment", "comment: accepted", "accepted")], "comment: accepted"),
        ([("category", "category: cs.DC", "cs.DC"), ("title", "gpu", "GPU")], "gpu"),
        ([("published", "submittedDate: [* TO *]", "2026"), ("title", "gpu", "GPU")], "gpu"),
        ([("category", "category: cs.DC", "cs.DC")], "category: cs.DC"),  # nothing else tells
        ([("title", "1 : 2", "1 : 2")], "1 : 2"),
    ],
)
def test_why_lists_terms_in_readable_form(
    hits: list[tuple[str, str, str]], why: str, context: RenderContext
) -> None:
    matches = tuple(
        Match(field=name, term=term, text=text, start=0, end=len(text)) for name, term, text in hits
    )
    body = render(make_edition([make_edition_paper(matches=matches)]), Form.TEXT, context)
    assert f"    Matches: {why}\n" in body


def test_empty_edition_says_so_and_shows_coverage(context: RenderContext) -> None:
    edition = make_edition(papers=())
    page = check_page(render(edition, Form.HTML, context))
    assert "Nothing new matched this time." in page.text
    assert "61 announced" in page.text
    assert "Nothing new matched this time." in render(edition, Form.TEXT, context)
    assert render(edition, Form.SUBJECT, context) == "no new papers: Systems for ML, 23 Nov"


@pytest.mark.parametrize("status", ["partial", "late", "refused", "never", "broken"])
def test_incomplete_source_is_announced_at_the_top(status: str, context: RenderContext) -> None:
    edition = make_edition(coverage=(make_coverage(status=status),))
    for form in (Form.HTML, Form.TEXT, Form.SLACK, Form.MARKDOWN):
        assert "edition is incomplete" in render(edition, form, context).lower()


@pytest.mark.parametrize("status", ["ok", "empty"])
def test_complete_source_gets_no_notice(status: str, context: RenderContext) -> None:
    edition = make_edition(coverage=(make_coverage(status=status),))
    for form in (Form.HTML, Form.TEXT, Form.SLACK, Form.MARKDOWN):
        assert "incomplete" not in render(edition, form, context).lower()


def test_arxiv_is_acknowledged_only_as_a_source(context: RenderContext) -> None:
    paper = make_paper(id="doi:10.1000/x", url="https://example.org/1")
    edition = make_edition([paper], coverage=(make_coverage(source="biology"),))
    for form in (Form.HTML, Form.TEXT, Form.SLACK, Form.MARKDOWN):
        assert "Thank you to arXiv" not in render(edition, form, context)
        assert "Thank you to arXiv" in " ".join(render(make_edition(), form, context).split())


@pytest.mark.parametrize(
    ("types", "omitted", "subject"),
    [
        (["new"], 0, "1 paper: Systems for ML, 23 Nov"),
        (["new", "cross"], 0, "2 papers: Systems for ML, 23 Nov"),
        (["new", "replace"], 0, "2 papers: Systems for ML, 23 Nov"),
        (["replace", "replace-cross"], 0, "2 papers: Systems for ML, 23 Nov"),
        (["new", "replace"], 1000, "1,002 papers: Systems for ML, 23 Nov"),
    ],
)
def test_subject_begins_with_the_count(
    types: list[str], omitted: int, subject: str, context: RenderContext
) -> None:
    papers = [make_edition_paper(type=AnnounceType(name), seq=at) for at, name in enumerate(types)]
    assert render(make_edition(papers, omitted=omitted), Form.SUBJECT, context) == subject


@pytest.mark.parametrize("form", [Form.HTML, Form.TEXT], ids=str)
def test_hostile_text_is_shown_but_inert(form: Form, context: RenderContext) -> None:
    body = render(hostile_edition(), form, context)
    assert "{{ 7 * 7 }}" in body
    assert not set(body) & set("\x00\x1b\u202e\u2066\ufffe\ud800")
    if form is Form.HTML:
        page = check_page(body)
        assert "<script>alert(1)</script>" in page.text
        assert page.tags["img"] == 0


@given(edition=EDITIONS)
def test_any_edition_has_valid_html_text_and_subject(
    edition: Edition, context: RenderContext
) -> None:
    html = render(edition, Form.HTML, context)
    check_page(html)
    text = render(edition, Form.TEXT, context)
    subject = render(edition, Form.SUBJECT, context)
    assert len(encodestring(html.encode())) <= BODY_MAX
    assert len(encodestring(text.encode())) <= BODY_MAX
    assert len(subject) <= 150
    assert subject.isprintable() or all(
        letter.isprintable() or letter > "\xff" for letter in subject
    )
    assert ", 23 Nov" in subject


def test_invisible_title_is_replaced_by_the_name(context: RenderContext) -> None:
    edition = make_edition(papers=[], title="\xad\u200b\u2060")
    assert render(edition, Form.SUBJECT, context) == "no new papers: systems, 23 Nov"


def test_text_has_72_columns_except_for_links(context: RenderContext) -> None:
    for edition in (full_edition(), hostile_edition()):
        rows = render(edition, Form.TEXT, context).splitlines()
        assert all(_columns(row) <= COLUMNS or "://" in row for row in rows)


def _columns(row: str) -> int:
    return sum(unicodedata.combining(letter) == 0 for letter in row)


@pytest.mark.parametrize(
    ("theme", "letters"), [(Theme.DEFAULT, 700), (Theme.FULL, 1920), (Theme.COMPACT, 0)]
)
def test_theme_sets_the_length_of_abstracts(
    theme: Theme, letters: int, context: RenderContext
) -> None:
    edition = make_edition([make_paper(abstract="x" * 1920, comment=None)])
    themed = replace(context, theme=theme)
    html = render(edition, Form.HTML, themed)
    assert max([len(run) for run in re.findall(r">(x+)", html)], default=0) == letters
    shown = "".join(render(edition, Form.TEXT, themed).split())
    assert max([len(run) for run in re.findall(r"x{9,}", shown)], default=0) == letters


def test_matched_authors_come_first_if_cut(context: RenderContext) -> None:
    compact = replace(context, theme=Theme.COMPACT)
    paper = make_paper(authors=tuple(Author(name=name) for name in ("Ana", "Bo", "Cem")))
    entry = make_edition_paper(paper=paper, matches=(make_match(paper, "Cem", field="author"),))
    edition = make_edition([entry])
    html = read(render(edition, Form.HTML, compact))
    assert "Cem, Ana and 1 more" in html.text
    assert "Cem, Ana and 1 more" in render(edition, Form.TEXT, compact)
