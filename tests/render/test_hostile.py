"""Hostile text is inert but readable in every form."""

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from digestbot.model import Author, Form
from digestbot.render import RenderContext, render
from tests.factories import make_edition, make_edition_paper, make_paper
from tests.render.editions import HOSTILE

FORMS = tuple(form for form in Form if form not in (Form.EML, Form.SUBJECT))
INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)
ZERO_WIDTH = "a\u200bb\u200cc\u200dd\ufeffe\u2060f"
TITLES = (*HOSTILE, ZERO_WIDTH, "x" * 10_000, "👩‍🔬" * 300, ":tada: 🎉 <!here> @channel #general")


def letters(text: str) -> str:
    """Return the letters and digits of *text*, which every form keeps."""
    return "".join(char for char in text if char.isalnum())


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def unescaped(form: Form, text: str) -> str:
    """Return *text* without the markup that *form* adds."""
    if form in (Form.JSON, Form.SLACK):
        text = "".join(strings(json.loads(text)))
    if form is Form.HTML:
        text = re.sub(r"<[^>]*>", "", text)
    if form in (Form.HTML, Form.ATOM, Form.SLACK):
        text = html.unescape(text)
    if form is Form.BIBTEX:
        text = re.sub(r"\\text(?:asciitilde|asciicircum|braceleft|braceright|backslash)", "", text)
    return text


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title)[:30])
def test_hostile_title_is_shown_but_inert(form: Form, title: str, context: RenderContext) -> None:
    paper = make_paper(title=title, title_raw=title, comment=title, authors=(Author(name=title),))
    body = render(make_edition([make_edition_paper(paper=paper, matches=())]), form, context)
    if form is not Form.JSON:  # JSON is data, and escapes control characters
        assert not INVISIBLE.search(body)
    body.encode()
    beginning = letters(INVISIBLE.sub("", title))[:20]
    assert beginning in letters(unescaped(form, body))


def active(form: Form) -> Callable[[str], object]:
    """Return a search for text that would be active in *form* if left unescaped."""
    found = {
        Form.HTML: r"<script|<img|onerror=[^\w&]*\w+[^<]*>(?<!;)|href=\"javascript",
        Form.ATOM: r"<script|<img",
        Form.SLACK: r"<[!@#]",
        Form.MARKDOWN: r"(?<!\\)<|(?<!\\)\]\((?!https:)|(?<![\w\u200b])@\w",
        Form.BIBTEX: r"\\input|\n@misc\{evil",
        Form.RIS: r"\n(?![A-Z][A-Z0-9]  - |\r|\Z)",
    }
    return re.compile(found.get(form, r"\Z\A")).search


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_untrusted_text_is_never_active(form: Form, context: RenderContext) -> None:
    papers = [
        make_paper(id=f"arxiv:2611.{n:05}", title=text, title_raw=text, abstract=text, comment=text)
        for n, text in enumerate(TITLES, start=1)
    ]
    body = render(make_edition(papers), form, context)
    assert not active(form)(body)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_three_thousand_authors_are_summarized(form: Form, context: RenderContext) -> None:
    crowd = tuple(Author(name=f"Author {number}") for number in range(3000))
    body = render(make_edition([make_paper(authors=crowd)]), form, context)
    if form in (Form.JSON, Form.BIBTEX, Form.RIS, Form.ATOM):
        assert "Author 2999" in body, "programs get all authors"
    else:
        assert "2,994" in body
        assert len(body) < 20_000


@pytest.mark.parametrize("form", [Form.TEXT, Form.HTML, Form.SLACK, Form.MARKDOWN], ids=str)
def test_endless_word_is_cut(form: Form, context: RenderContext) -> None:
    paper = make_paper(title="x" * 10_000, abstract="y" * 10_000, comment="z" * 10_000)
    assert len(render(make_edition([paper]), form, context)) < 20_000


@pytest.mark.parametrize("form", [form for form in FORMS if form is not Form.JSON], ids=str)
def test_stacked_marks_are_limited(form: Form, context: RenderContext) -> None:
    tower = "o" + "\u0301\u0489" * 200 + "rg"
    paper = make_paper(title=tower, title_raw=tower, abstract=tower, authors=(Author(name=tower),))
    body = render(make_edition([make_edition_paper(paper=paper, matches=())]), form, context)
    assert not re.search("[\u0300-\u036f\u0483-\u0489]{5}", body)
    assert "rg" in body
