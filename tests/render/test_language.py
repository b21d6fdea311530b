"""Every message is translated, and every form can be rendered in every language."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from digestbot.languages import catalogue_of, languages
from digestbot.model import AnnounceType, Edition, Form
from digestbot.render import RenderContext, render
from digestbot.render.language import language
from tests.factories import make_edition, make_edition_paper, make_paper
from tests.render.editions import drawn_editions, full_edition
from tests.render.pages import check_page
from tests.servers.slack_limits import check_message

ROOT = Path(__file__).parent.parent.parent
BERLIN = ZoneInfo("Europe/Berlin")
OTHERS = tuple(name for name in languages() if name != "en")
Key = tuple[str | None, str | tuple[str, ...]]


def in_code() -> set[Key]:
    """Find the messages of code and templates as `make messages` does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    methods = [(each["pattern"], each["method"]) for each in project["tool"]["babel"]["mappings"]]
    found = set()
    for folder in ("digestbot", "templates"):
        mapping = [(p.removeprefix(f"{folder}/"), m) for p, m in methods if p.startswith(folder)]
        for _, _, message, _, context in extract_from_dir(ROOT / folder, mapping):
            found.add((context, message))
    return found


def catalogue(name: str) -> Catalog:
    with catalogue_of(name).open("rb") as file:
        return read_po(file, abort_invalid=True)


def forms_of(texts: object) -> tuple[str, ...]:
    """Return the forms of a message: one, or one per plural."""
    return tuple(map(str, texts)) if isinstance(texts, (tuple, list)) else (str(texts or ""),)


def placeholders(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"%\(\w+\)s|%(?!\()", text))


def test_languages_are_english_german_and_chinese() -> None:
    assert languages() == ("en", "de", "zh")


@pytest.mark.parametrize("name", OTHERS)
def test_catalogue_has_exactly_the_messages_in_use(name: str) -> None:
    read = catalogue(name)
    assert {(message.context, message.id) for message in read if message.id} == in_code()
    assert not read.obsolete
    for message in read:
        assert not message.fuzzy, message.id
        assert all(forms_of(message.string)), f"{message.id} is not translated"


@pytest.mark.parametrize("name", OTHERS)
def test_translations_keep_placeholders(name: str) -> None:
    for message in catalogue(name):
        if message.id:
            asked = {placeholders(text) for text in forms_of(message.id)}
            assert {placeholders(text) for text in forms_of(message.string)} == asked, message.id


def test_english_messages_are_those_of_the_code() -> None:
    english = language("en")
    for context, message in in_code():
        if isinstance(message, tuple):
            one, many = message
            assert english.catalogue.ngettext(one, many, 1) == one
            assert english.catalogue.ngettext(one, many, 2) == many
        elif context:
            assert english.pgettext(context, message) == message
        else:
            assert english.gettext(message) == message


@pytest.mark.parametrize(
    ("name", "date", "moment", "count", "number"),
    [
        ("en", "Sunday, 3 May 2026", "Sun 3 May, 11:05 CEST", "1 new paper", "12,345"),
        ("de", "Sonntag, 3. Mai 2026", "So., 3. Mai, 11:05 CEST", "1 neuer Artikel", "12.345"),
        ("zh", "2026年5月3日星期日", "5月3日周日 11:05 CEST", "1 篇新论文", "12,345"),
    ],
)
def test_dates_plurals_and_numbers_follow_the_language(
    name: str, date: str, moment: str, count: str, number: str
) -> None:
    lang = language(name)
    when = datetime(2026, 5, 3, 9, 5, tzinfo=UTC)
    assert lang.date(when, BERLIN) == date
    assert lang.moment(when, BERLIN) == moment
    assert lang.ngettext("%(number)s new paper", "%(number)s new papers", 1) == count
    assert lang.number(12345) == number


@given(st.integers(min_value=0, max_value=10**12))
def test_any_number_has_its_plural(number: int) -> None:
    for name in languages():
        lang = language(name)
        assert lang.number(number) in lang.names(["Ana"], number) or number == 0


def english_left_in(text: str, name: str) -> Iterator[str]:
    """Yield English messages that are still in *text*."""
    for message in catalogue(name):
        if isinstance(message.id, str) and len(message.id) > 8 and message.id != message.string:
            for part in re.split(r"%\(\w+\)s", message.id):
                if len(part.strip(" :,.")) > 5 and (part in text or part.upper() in text):
                    yield part


def whole_edition() -> Edition:
    """Return an edition that uses every message: incomplete, updated, over the limit."""
    edition = full_edition()
    before = make_paper(version=1, title="An Old Name", comment=None)
    after = make_paper(version=2, title="", comment="accepted at SoCC '26")
    changed = make_edition_paper(paper=after, previous=before, type=AnnounceType.REPLACE_CROSS)
    return replace(edition, papers=(*edition.papers, changed))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "form", [Form.SUBJECT, Form.HTML, Form.TEXT, Form.SLACK, Form.MARKDOWN, Form.ATOM], ids=str
)
@pytest.mark.parametrize("papers", ["many", "none"])
def test_no_english_text_is_left(
    name: str, form: Form, papers: str, context: RenderContext
) -> None:
    edition = whole_edition() if papers == "many" else make_edition(papers=())
    text = render(edition, form, replace(context, language=name))
    assert list(english_left_in(text, name)) == []


@pytest.mark.parametrize(("name", "tag"), [("en", "en"), ("de", "de"), ("zh", "zh-Hans")])
def test_pages_and_feeds_declare_their_language(
    name: str, tag: str, context: RenderContext
) -> None:
    translated = replace(context, language=name)
    html = render(full_edition(), Form.HTML, translated)
    check_page(html)
    assert f'<html lang="{tag}"' in html
    # The acknowledgement keeps the wording that arXiv requires.
    assert re.search(r'lang="en"[^>]*>Thank you to arXiv', html)
    feed = etree.fromstring(render(full_edition(), Form.ATOM, translated).encode())
    assert feed.get("{http://www.w3.org/XML/1998/namespace}lang") == tag


def test_arxiv_text_is_marked_as_english(context: RenderContext) -> None:
    pages = {
        name: render(full_edition(), Form.HTML, replace(context, language=name)) for name in OTHERS
    }
    for html in pages.values():
        assert len(re.findall(r'<h3 [^>]*lang="en"', html)) == 3, (
            "the language of the feed's paper is unknown"
        )
        assert len(re.findall(r'<p [^>]*lang="en"', html)) == 2
    assert 'dir="auto" lang' not in render(full_edition(), Form.HTML, context)


def test_data_formats_do_not_depend_on_the_language(context: RenderContext) -> None:
    for form in (Form.JSON, Form.BIBTEX, Form.RIS):
        assert (
            len({render(full_edition(), form, replace(context, language=n)) for n in languages()})
            == 1
        )


@pytest.mark.parametrize("name", OTHERS)
def test_any_edition_can_be_rendered_in_any_language(name: str, context: RenderContext) -> None:
    translated = replace(context, language=name)
    for edition in drawn_editions(50):
        for message in json.loads(render(edition, Form.SLACK, translated)):
            assert check_message(message) == []
        check_page(render(edition, Form.HTML, translated))
        assert render(edition, Form.TEXT, translated)
