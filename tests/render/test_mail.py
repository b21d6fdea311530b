"""The mail's three forms: what they show, that they are sound, and that they never get too long."""

import random
import re
import unicodedata
from dataclasses import replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from quopri import encodestring

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digestbot.errors import RenderError
from digestbot.model import AnnounceType, Author, Edition, Form, Match, Theme
from digestbot.render import (
    RenderContext,
    bodies,
    decoded,
    edition_template,
    filled,
    load_templates,
    personalize,
    render,
    sender_headers,
)
from digestbot.render.cache import BoundedCache
from digestbot.render.mail import BODY_MAX, TOKEN
from digestbot.render.quoted_printable import encoded, size
from digestbot.render.templates import COLUMNS, fill
from tests.factories import (
    make_coverage,
    make_edition,
    make_edition_paper,
    make_match,
    make_paper,
)
from tests.render.editions import (
    EDITIONS,
    HOSTILE,
    drawn_edition,
    edition_of,
    full_edition,
    hostile_edition,
)
from tests.render.pages import check_page, read
from tests.wire import check_message


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
        "journal: has not answered yet",
        "3 more matched",
        "The next edition is due Tue 24 Nov, 09:00 CET.",
        "You get this because you follow: serverless or mixture of experts; and category cs.DC",
        "Thank you to arXiv",
        "61 papers considered, 7 matched",
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
    for href, _ in page.links:
        assert href in text
    for fact in (
        "14 more",
        "SoCC '26",
        "J. Energy 7",
        "updated v3",
        "INCOMPLETE",
        "due Tue 24 Nov",
    ):
        assert fact in text


def test_matching_words_are_marked_and_asked_for_authors_are_bold(context: RenderContext) -> None:
    html = render(full_edition(), Form.HTML, context)
    assert read(html).marked == [
        "Serverless",
        "Mixture of Experts",
        "serverless",
        "Serverless",
    ]
    assert '<b class="ink" style="color:#1d2129">Ion Stoica</b>' in html
    assert '<b class="ink" style="color:#1d2129">Ada Xu</b>, Author 1' in html


def test_a_mark_around_special_letters_marks_just_those(context: RenderContext) -> None:
    paper = make_paper(title="a < b & c > d")
    entry = make_edition_paper(paper=paper, matches=(make_match(paper, "< b &"),))
    html = render(make_edition([entry]), Form.HTML, context)
    assert read(html).marked == ["< b &"]
    assert "&lt; b &amp;</span> c &gt; d" in html


@pytest.mark.parametrize(
    ("spans", "marked"),
    [
        ([(0, 4), (2, 6)], ["Server"]),  # overlapping: one mark
        ([(0, 2), (2, 4)], ["Serv"]),  # touching: one mark
        ([(-5, 3), (90, 99)], ["Ser"]),  # beyond the text
        ([(5, 2), (3, 3)], []),  # nothing
    ],
)
def test_spans_that_overlap_or_lie_outside_do_no_harm(
    spans: list[tuple[int, int]], marked: list[str], context: RenderContext
) -> None:
    paper = make_paper(title="Serverless", abstract="")
    hits = tuple(
        Match(field="title", term="x", text="", start=start, end=end) for start, end in spans
    )
    entry = make_edition_paper(paper=paper, matches=hits)
    html = render(make_edition([entry]), Form.HTML, context)
    assert read(html).marked == marked


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
        ),  # the words, not the code
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
def test_why_names_the_conditions_as_a_reader_sees_them(
    hits: list[tuple[str, str, str]], why: str, context: RenderContext
) -> None:
    matches = tuple(
        Match(field=name, term=term, text=text, start=0, end=len(text)) for name, term, text in hits
    )
    body = render(make_edition([make_edition_paper(matches=matches)]), Form.TEXT, context)
    assert f"    Matches: {why}\n" in body


def test_quiet_day_says_so_and_what_was_looked_at(context: RenderContext) -> None:
    edition = make_edition(papers=())
    page = check_page(render(edition, Form.HTML, context))
    assert "Nothing new matched this time." in page.text
    assert "61 announced" in page.text
    assert "Nothing new matched this time." in render(edition, Form.TEXT, context)
    assert render(edition, Form.SUBJECT, context) == "Systems for ML: no new papers, 23 Nov"


@pytest.mark.parametrize("status", ["partial", "late", "refused", "never", "broken"])
def test_a_source_that_lacks_something_is_told_loudly(status: str, context: RenderContext) -> None:
    edition = make_edition(coverage=(make_coverage(status=status),))
    for form in (Form.HTML, Form.TEXT, Form.SLACK, Form.MARKDOWN):
        assert "edition is incomplete" in render(edition, form, context).lower()


@pytest.mark.parametrize("status", ["ok", "empty"])
def test_a_source_that_answered_is_not(status: str, context: RenderContext) -> None:
    edition = make_edition(coverage=(make_coverage(status=status),))
    for form in (Form.HTML, Form.TEXT, Form.SLACK, Form.MARKDOWN):
        assert "incomplete" not in render(edition, form, context).lower()


def test_arxiv_is_thanked_only_where_it_is_a_source(context: RenderContext) -> None:
    paper = make_paper(id="doi:10.1000/x", url="https://example.org/1")
    edition = make_edition([paper], coverage=(make_coverage(source="biology"),))
    for form in (Form.HTML, Form.TEXT, Form.SLACK, Form.MARKDOWN):
        assert "Thank you to arXiv" not in render(edition, form, context)
        assert "Thank you to arXiv" in " ".join(render(make_edition(), form, context).split())


@pytest.mark.parametrize(
    ("types", "omitted", "subject"),
    [
        (["new"], 0, "Systems for ML: 1 new paper, 23 Nov"),
        (["new", "cross"], 0, "Systems for ML: 2 new papers, 23 Nov"),
        (["new", "replace"], 0, "Systems for ML: 1 new and 1 updated papers, 23 Nov"),
        (["replace", "replace-cross"], 0, "Systems for ML: 2 updated papers, 23 Nov"),
        (["new", "replace"], 1000, "Systems for ML: top 2 of 1,002 papers, 23 Nov"),
    ],
)
def test_subject_has_title_count_and_date(
    types: list[str], omitted: int, subject: str, context: RenderContext
) -> None:
    papers = [make_edition_paper(type=AnnounceType(name), seq=at) for at, name in enumerate(types)]
    assert render(make_edition(papers, omitted=omitted), Form.SUBJECT, context) == subject


@pytest.mark.parametrize("form", [Form.HTML, Form.TEXT], ids=str)
def test_hostile_text_is_shown_and_does_nothing(form: Form, context: RenderContext) -> None:
    body = render(hostile_edition(), form, context)
    assert "{{ 7 * 7 }}" in body
    assert not set(body) & set("\x00\x1b\u202e\u2066\ufffe\ud800")
    if form is Form.HTML:
        page = check_page(body)
        assert "<script>alert(1)</script>" in page.text
        assert page.tags["img"] == 0


@given(edition=EDITIONS)
def test_any_edition_gives_sound_html_text_and_subject(
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


def test_a_title_of_nothing_visible_gives_way_to_the_name(context: RenderContext) -> None:
    edition = make_edition(papers=[], title="\xad\u200b\u2060")
    assert render(edition, Form.SUBJECT, context).startswith("systems: ")


@given(editions=st.lists(EDITIONS, min_size=2, max_size=3))
@settings(max_examples=20)
def test_what_other_editions_have_left_behind_changes_nothing(
    editions: list[Edition], context: RenderContext
) -> None:
    used = forgetful(context)
    for at, edition in enumerate([*editions, *editions]):
        words = f"{edition.title} {at % 2}"
        fresh = replace(forgetful(context), filter_in_words=words)
        assert bodies(edition, replace(used, filter_in_words=words)) == bodies(edition, fresh)


def forgetful(context: RenderContext) -> RenderContext:
    """The same, with nothing kept of what was rendered before."""
    empty = replace(context.templates, papers=BoundedCache(100), parts=BoundedCache(100))
    return replace(context, templates=empty)


@pytest.mark.parametrize("shown", ["{{ edition.title | upper }}", "{{ edition.title }}"])
def test_what_a_template_makes_of_a_title_is_made_of_each(
    shown: str, tmp_path: Path, context: RenderContext
) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail/masthead.txt.j2").write_text(
        shown + '{% if edition.title == "one" %}!{% endif %}{{ edition.why | upper }}\n'
    )
    ours = replace(context, templates=load_templates(tmp_path))
    for title in ("one", "two", "one"):
        context = replace(ours, filter_in_words=f"{title} of all")
        first = render(make_edition(title=title), Form.TEXT, context).split("\n")[0]
        named = title.upper() if "upper" in shown else title
        assert first == f"{named}{'!' if title == 'one' else ''}{title.upper()} OF ALL"


@pytest.mark.parametrize("copies", [1, 100])
@pytest.mark.parametrize("seed", range(8))
def test_any_edition_gives_a_sound_message_within_its_budgets(
    seed: int, copies: int, context: RenderContext
) -> None:
    edition = drawn_edition(random.Random(seed))
    edition = replace(edition, papers=edition.papers * copies)
    mail = bodies(edition, replace(context, unsubscribe="https://example.org/u/{token}"))
    token = "t" * 200
    assert size(mail.text) <= BODY_MAX
    assert size(mail.html) <= BODY_MAX
    blank = sender_headers(
        sender="d@example.org", list_unsubscribe=("mailto:u+{token}@example.org",)
    )
    message = personalize(
        edition_template(blank, subject=mail.subject, list_id="<l.example.org>"),
        recipient="r@example.org",
        message_id="<1@example.org>",
        date=edition.created_at,
        text=mail.text,
        html=mail.html,
        token=token,
    )
    assert check_message(message) == []
    assert b"\r\n." not in message
    read = BytesParser(EmailMessage, policy=default).parsebytes(message)
    assert isinstance(read, EmailMessage)
    filled_in = {TOKEN: (encoded(token),)}
    for subtype, pieces in (("plain", mail.text), ("html", mail.html)):
        part = read.get_body((subtype,))
        assert part is not None
        assert len(str(part.get_payload())) <= BODY_MAX
        assert part.get_content().replace("\r\n", "\n") == decoded(filled(pieces, filled_in))
        assert f"https://example.org/u/{token}" in part.get_content()


LONG = (
    ("authors", make_paper(authors=tuple(Author(name=f"Author {n}") for n in range(3000)))),
    ("one long word", make_paper(title="w" * 10_000, abstract="w" * 10_000, comment="w" * 10_000)),
    ("ampersands", make_paper(title="&" * 10_000, abstract="&" * 10_000, comment="&" * 10_000)),
    ("Chinese", make_paper(title="分" * 500, abstract="散" * 10_000)),
    ("long links", make_paper(url="https://example.org/" + "a" * 1900, pdf_url="http://a" * 200)),
    ("categories", make_paper(categories=tuple("c" * 99 for _ in range(99)))),
)


@pytest.mark.parametrize("number", [1, 30, 500, 3000])
@pytest.mark.parametrize(("name", "paper"), LONG, ids=[name for name, _ in LONG])
def test_bodies_never_get_too_long(
    number: int, name: str, paper: object, context: RenderContext
) -> None:
    like = make_edition_paper(paper=paper, matches=())
    edition = edition_of(number, like)
    for form in (Form.HTML, Form.TEXT):
        assert len(encodestring(render(edition, form, context).encode())) <= BODY_MAX


@pytest.mark.parametrize("form", [Form.HTML, Form.TEXT], ids=str)
@pytest.mark.parametrize("number", [2, 40, 80, 200, 500, 2000])
def test_what_does_not_fit_is_stated_in_numbers(
    form: Form, number: int, context: RenderContext
) -> None:
    edition = edition_of(number, make_edition_paper(paper=make_paper(abstract="word " * 400)))
    body = render(edition, form, context)
    shown = sum(f"/abs/{e.paper.id.removeprefix('arxiv:')}v1" in body for e in edition.papers)
    stated = re.search(r"And ([0-9,]+) more papers? of this edition did not fit", body)
    left_out = int(stated[1].replace(",", "")) if stated else 0
    assert shown + left_out == number
    assert shown >= min(number, 150)


def test_abstracts_shrink_before_papers_do(context: RenderContext) -> None:
    like = make_edition_paper(paper=make_paper(abstract="word " * 400))
    lengths = []
    for number in (5, 40, 60, 200):
        html = render(edition_of(number, like), Form.HTML, context)
        lengths.append(html.count("word") // number)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == 140
    assert lengths[-1] == 0


def test_text_keeps_to_72_columns_but_for_links(context: RenderContext) -> None:
    for edition in (full_edition(), hostile_edition()):
        rows = render(edition, Form.TEXT, context).splitlines()
        assert all(_columns(row) <= COLUMNS or "://" in row for row in rows)


def _columns(row: str) -> int:
    return sum(unicodedata.combining(letter) == 0 for letter in row)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.sampled_from(HOSTILE), st.integers(0, 8), st.sampled_from(["", "1. ", "- "]))
def test_filled_text_loses_no_word(text: str, indent: int, first: str) -> None:
    filled = fill(text, indent, first)
    assert "".join(filled.removeprefix(first).split()) == "".join(text.split())
    assert all(len(row) <= COLUMNS for row in filled.split("\n") if row.isascii())


def test_wide_letters_count_twice_and_accents_not_at_all() -> None:
    assert [len(row) for row in fill("分" * 72).split("\n")] == [36, 36]
    assert "\n" not in fill("e\u0301" * 72)


def test_a_template_that_is_too_long_by_itself_is_an_error(
    context: RenderContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digestbot.render.mail.BODY_MAX", 2000)
    with pytest.raises(
        RenderError, match=r"template mail/frame\.html\.j2 makes .* even without papers"
    ):
        render(full_edition(), Form.HTML, context)


@pytest.mark.parametrize(
    ("theme", "letters"), [(Theme.DEFAULT, 700), (Theme.FULL, 1920), (Theme.COMPACT, 0)]
)
def test_a_theme_decides_how_long_abstracts_are(
    theme: Theme, letters: int, context: RenderContext
) -> None:
    edition = make_edition([make_paper(abstract="x" * 1920, comment=None)])
    themed = replace(context, theme=theme)
    html = render(edition, Form.HTML, themed)
    assert max([len(run) for run in re.findall(r">(x+)", html)], default=0) == letters
    shown = "".join(render(edition, Form.TEXT, themed).split())
    assert max([len(run) for run in re.findall(r"x{9,}", shown)], default=0) == letters


def test_few_names_are_those_asked_for(context: RenderContext) -> None:
    compact = replace(context, theme=Theme.COMPACT)
    paper = make_paper(authors=tuple(Author(name=name) for name in ("Ana", "Bo", "Cem")))
    entry = make_edition_paper(paper=paper, matches=(make_match(paper, "Cem", field="author"),))
    edition = make_edition([entry])
    html = read(render(edition, Form.HTML, compact))
    assert "Cem, Ana and 1 more" in html.text
    assert "Cem, Ana and 1 more" in render(edition, Form.TEXT, compact)
