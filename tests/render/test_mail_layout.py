"""Bodies stay within their size limit, whatever an edition contains."""

import random
import re
from dataclasses import replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from html import unescape
from quopri import encodestring

import pytest

from digestbot.errors import RenderError
from digestbot.model import Author, Form
from digestbot.render import (
    RenderContext,
    bodies,
    decode,
    edition_template,
    fill_fields,
    personalize,
    render,
    sender_headers,
)
from digestbot.render.mail_cache import TOKEN
from digestbot.render.mail_layout import BODY_MAX
from digestbot.render.quoted_printable import encode, size
from tests.factories import make_edition_paper, make_lines, make_paper
from tests.render.editions import drawn_edition, edition_of, full_edition
from tests.wire import check_message

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
def test_bodies_never_exceed_the_limit(
    number: int, name: str, paper: object, context: RenderContext
) -> None:
    like = make_edition_paper(paper=paper, matches=())
    edition = edition_of(number, like)
    for form in (Form.HTML, Form.TEXT):
        assert len(encodestring(render(edition, form, context).encode())) <= BODY_MAX


@pytest.mark.parametrize("form", [Form.HTML, Form.TEXT], ids=str)
@pytest.mark.parametrize("number", [2, 40, 80, 200, 500, 2000])
def test_papers_left_out_are_counted(form: Form, number: int, context: RenderContext) -> None:
    edition = edition_of(number, make_edition_paper(paper=make_paper(abstract="word " * 400)))
    body = render(edition, form, context)
    shown = sum(f"/abs/{e.paper.id.removeprefix('arxiv:')}v1" in body for e in edition.papers)
    stated = re.search(r"([0-9,]+) more papers? of this edition did not fit", body)
    left_out = int(stated[1].replace(",", "")) if stated else 0
    assert shown + left_out == number
    assert shown >= min(number, 150)


@pytest.mark.parametrize("form", [Form.HTML, Form.TEXT], ids=str)
@pytest.mark.parametrize("limit", [1, 30, 300])
@pytest.mark.parametrize("beyond", [1, 84, 400, 1500])
def test_papers_beyond_the_limit_are_listed_or_counted(
    form: Form, limit: int, beyond: int, context: RenderContext
) -> None:
    like = make_edition_paper(paper=make_paper(abstract="word " * 400))
    edition = replace(edition_of(limit, like), more=make_lines(beyond))
    body = render(edition, form, context)
    assert len(encodestring(body.encode())) <= BODY_MAX
    entries = (*edition.papers, *edition.more)
    shown = sum(f"/abs/{e.paper.id.removeprefix('arxiv:')}v1" in body for e in entries)
    stated = re.search(r"([0-9,]+) more papers? of this edition did not fit", body)
    left_out = int(stated[1].replace(",", "")) if stated else 0
    assert shown + left_out == limit + beyond
    assert shown >= min(limit + beyond, 100)
    assert f"digest's limit of {limit}:" in " ".join(unescape(body).split())
    if limit + beyond < 120:
        assert left_out == 0


def test_the_limit_keeps_its_papers_readable_beside_a_long_list(context: RenderContext) -> None:
    like = make_edition_paper(paper=make_paper(abstract="word " * 400))
    edition = replace(edition_of(20, like), more=make_lines(1500))
    html = render(edition, Form.HTML, context)
    assert html.count("word") >= 20 * 24  # abstracts of 120 characters
    assert html.count("Edge Caching in Practice") > 60


def test_an_attached_list_replaces_the_lines(context: RenderContext) -> None:
    edition = replace(full_edition(), more=make_lines(5))
    mail = bodies(edition, replace(context, attach_list=True))
    for body in (mail.html, mail.text):
        text = " ".join(decode(fill_fields(body, {})).split())
        assert "limit of 4: see the attached list systems-12.txt." in text
        assert "Edge Caching" not in text
    assert mail.unshown == 0


def test_a_web_edition_is_linked_instead_of_a_list(context: RenderContext) -> None:
    edition = replace(full_edition(), more=make_lines(900))
    page = "https://digests.example.org/systems/12"
    html = render(edition, Form.HTML, replace(context, edition_url=page))
    assert page in html
    assert "attached list" not in html


def test_abstracts_are_shortened_before_papers_are_dropped(context: RenderContext) -> None:
    like = make_edition_paper(paper=make_paper(abstract="word " * 400))
    lengths = []
    for number in (5, 40, 60, 200):
        html = render(edition_of(number, like), Form.HTML, context)
        lengths.append(html.count("word") // number)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == 140
    assert lengths[-1] == 0


def test_oversized_template_is_an_error(
    context: RenderContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digestbot.render.mail_layout.BODY_MAX", 2000)
    with pytest.raises(
        RenderError, match=r"template mail/frame\.html\.j2 makes .* even without papers"
    ):
        render(full_edition(), Form.HTML, context)


@pytest.mark.parametrize("copies", [1, 100])
@pytest.mark.parametrize("seed", range(8))
def test_any_edition_gives_a_valid_message_within_limits(
    seed: int, copies: int, context: RenderContext
) -> None:
    edition = drawn_edition(random.Random(seed))
    edition = replace(edition, papers=edition.papers * copies)
    mail = bodies(edition, replace(context, unsubscribe="https://example.org/u/{token}"))
    token = "t" * 200
    assert size(mail.text) <= BODY_MAX
    assert size(mail.html) <= BODY_MAX
    headers = sender_headers(
        sender="d@example.org", list_unsubscribe=("mailto:u+{token}@example.org",)
    )
    message = personalize(
        edition_template(headers, subject=mail.subject, list_id="<l.example.org>"),
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
    values = {TOKEN: (encode(token),)}
    for subtype, fragments in (("plain", mail.text), ("html", mail.html)):
        part = read.get_body((subtype,))
        assert part is not None
        assert len(str(part.get_payload())) <= BODY_MAX
        assert part.get_content().replace("\r\n", "\n") == decode(fill_fields(fragments, values))
        assert f"https://example.org/u/{token}" in part.get_content()
