"""Every form of an edition equals its reviewed golden file; see conftest for updating them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from digestbot.addresses import make_message_id
from digestbot.model import Form, Theme
from digestbot.render import RenderContext, compose, render
from tests.factories import NOW, make_edition
from tests.render.editions import full_edition, hostile_edition

Golden = Callable[[str, str], None]

NAMES = {
    Form.SUBJECT: "subject.txt",
    Form.HTML: "mail.html",
    Form.TEXT: "mail.txt",
    Form.SLACK: "slack.json",
    Form.JSON: "edition.json",
    Form.MARKDOWN: "edition.md",
    Form.BIBTEX: "edition.bib",
    Form.RIS: "edition.ris",
    Form.ATOM: "edition.atom",
}


@pytest.mark.parametrize("form", NAMES, ids=str)
def test_full_edition_is_unchanged(form: Form, context: RenderContext, golden: Golden) -> None:
    golden(f"full-{NAMES[form]}", render(full_edition(), form, context))


@pytest.mark.parametrize("form", [Form.SUBJECT, Form.HTML, Form.TEXT, Form.SLACK], ids=str)
def test_empty_edition_is_unchanged(form: Form, context: RenderContext, golden: Golden) -> None:
    golden(f"empty-{NAMES[form]}", render(make_edition(papers=()), form, context))


@pytest.mark.parametrize("form", NAMES, ids=str)
def test_hostile_edition_is_unchanged(form: Form, context: RenderContext, golden: Golden) -> None:
    golden(f"hostile-{NAMES[form]}", render(hostile_edition(), form, context))


@pytest.mark.parametrize("theme", [Theme.COMPACT, Theme.FULL], ids=str)
@pytest.mark.parametrize("form", [Form.HTML, Form.TEXT, Form.SLACK, Form.MARKDOWN], ids=str)
def test_themes_are_unchanged(
    form: Form, theme: Theme, context: RenderContext, golden: Golden
) -> None:
    golden(
        f"theme-{theme}-{NAMES[form]}", render(full_edition(), form, replace(context, theme=theme))
    )


def test_message_is_unchanged(context: RenderContext, golden: Golden) -> None:
    edition = full_edition()
    message = compose(
        subject=render(edition, Form.SUBJECT, context),
        html=render(edition, Form.HTML, context),
        text=render(edition, Form.TEXT, context),
        sender="Bücher & Papers <digests@example.org>",
        recipient="reader@example.org",
        message_id=make_message_id("systems/12", "reader@example.org", domain="example.org"),
        date=NOW + timedelta(minutes=1),
        list_id="Systems for ML <systems.example.org>",
        list_unsubscribe=("https://digests.example.org/u/TOKEN", "mailto:digests@example.org"),
        one_click=True,
    )
    golden("message.eml", message)


@pytest.mark.parametrize("language", ["de", "zh"])
@pytest.mark.parametrize("form", [Form.SUBJECT, Form.HTML, Form.TEXT, Form.SLACK], ids=str)
def test_languages_are_unchanged(
    form: Form, language: str, context: RenderContext, golden: Golden
) -> None:
    translated = replace(context, language=language)
    golden(f"language-{language}-{NAMES[form]}", render(full_edition(), form, translated))
