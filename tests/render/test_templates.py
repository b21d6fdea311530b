"""The owner's templates: they override, extend, and fail with their name and line."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from digestbot.errors import RenderError
from digestbot.model import Form, Theme
from digestbot.render import RenderContext, load_templates, render
from digestbot.render.safe import doi_url, url
from digestbot.render.templates import our_folder
from digestbot.render.view import Section, ShownEdition, ShownPaper, ShownSource
from tests.factories import make_edition, make_paper
from tests.render.editions import full_edition
from tests.render.pages import check_page


def owned(folder: Path, context: RenderContext, name: str, text: str) -> RenderContext:
    (folder / name).write_text(text, encoding="utf-8")
    return replace(context, templates=load_templates(folder))


def test_an_owners_template_takes_the_place_of_ours(tmp_path: Path, context: RenderContext) -> None:
    ours = owned(
        tmp_path, context, "subject.txt.j2", "[{{ edition.number }}] {{ edition.title }}\n"
    )
    assert render(make_edition(), Form.SUBJECT, ours) == "[12] Systems for ML"
    assert "<!DOCTYPE html>" in render(make_edition(), Form.HTML, ours)


def test_an_owners_template_may_extend_ours(tmp_path: Path, context: RenderContext) -> None:
    source = '{% extends "digestbot/mail.html.j2" %}{% block footer %}<!-- mine -->{% endblock %}'
    html = render(make_edition(), Form.HTML, owned(tmp_path, context, "mail.html.j2", source))
    assert "<!-- mine -->" in html
    assert "Serverless" in html
    assert "Thank you to arXiv" not in html


def test_an_owners_html_is_escaped_by_itself(tmp_path: Path, context: RenderContext) -> None:
    source = "{% for s in edition.sections %}{{ s.papers[0].title_text }}{% endfor %}"
    edition = make_edition([make_paper(title="<script>")])
    assert render(edition, Form.HTML, owned(tmp_path, context, "mail.html.j2", source)) == (
        "&lt;script&gt;"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("one\n{{ edition.titel }}", r"mail\.html\.j2:2: .*titel"),
        ("one\ntwo\n{% if %}", r"mail\.html\.j2:3: "),
        ("{{ 1 / 0 }}", r"mail\.html\.j2:1: division by zero"),
        ('{% include "gone.html.j2" %}', r"mail\.html\.j2:1: .*gone\.html\.j2"),
        ("{{ edition.__class__.__mro__ }}", r"mail\.html\.j2:1: .*unsafe"),
        ("{% for n in range(10**9) %}{% endfor %}", r"mail\.html\.j2:1: .*[Rr]ange"),
        ("{{ edition.title.foo() }}", r"mail\.html\.j2:1: "),
    ],
)
def test_a_template_that_fails_is_named_with_its_line(
    source: str, message: str, tmp_path: Path, context: RenderContext
) -> None:
    with pytest.raises(RenderError, match=f"^template {message}") as caught:
        render(make_edition(), Form.HTML, owned(tmp_path, context, "mail.html.j2", source))
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_our_templates_are_found_in_a_checkout() -> None:
    names = {str(path.relative_to(our_folder())) for path in our_folder().rglob("*.j2")}
    whole = {"mail.html.j2", "mail.txt.j2", "subject.txt.j2"}
    assert names == whole | {"compact/mail.html.j2", "compact/mail.txt.j2"}


def test_a_whole_message_is_not_rendered_but_composed(context: RenderContext) -> None:
    with pytest.raises(RenderError, match="compose it"):
        render(make_edition(), Form.EML, context)


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("https://arxiv.org/abs/2611.01234v1", "https://arxiv.org/abs/2611.01234v1"),
        ("HTTP://example.org/", "HTTP://example.org/"),
        ("https://example.org/ä?q=1&r=(2)", "https://example.org/ä?q=1&r=(2)"),
        ('https://example.org/"><b>|`{x}', "https://example.org/%22%3E%3Cb%3E%7C%60%7Bx%7D"),
        ("javascript:alert(1)", None),
        ("JavaScript://example.org/%0aalert(1)", None),
        ("data:text/html,x", None),
        ("//example.org/", None),  # no scheme of its own
        ("https:///path", None),
        ("https://arxiv.org@evil.example/", None),  # leads to evil.example
        ("https://exa\nmple.org/", None),  # urlsplit would drop the break
        ("https://example.org/a b", None),
        ("https://example.org/\u202egpj", None),
        ("https://[::1", None),
        ("https://example.org/" + "a" * 2000, None),
        ("", None),
        (None, None),
    ],
)
def test_only_links_to_the_web_are_linked(given: str | None, safe: str | None) -> None:
    assert url(given) == safe


@pytest.mark.parametrize(
    ("doi", "link"),
    [
        ("10.1000/xyz", "https://doi.org/10.1000/xyz"),
        ("10.1000/a<b>(c)", "https://doi.org/10.1000/a%3Cb%3E(c)"),
        ("10.1000/a b", None),
        ("xyz", None),
        (None, None),
    ],
)
def test_a_doi_is_linked_to_its_resolver(doi: str | None, link: str | None) -> None:
    assert doi_url(doi) == link


GUIDE = our_folder().parent / "docs" / "templates.md"


def examples() -> dict[str, str]:
    """The templates in the guide, by the file name before each."""
    found = re.findall(
        r"`my-templates/([a-z./0-9]+)`[^`]*?:\n\n```jinja\n(.*?)```", GUIDE.read_text(), re.DOTALL
    )
    return dict(found)


def test_the_examples_of_the_guide_do_what_it_says(tmp_path: Path, context: RenderContext) -> None:
    for name, text in examples().items():
        ours = owned(tmp_path, context, name, text)
    html = render(make_edition(), Form.HTML, ours)
    assert "Our reading group meets on Thursdays" in html
    assert "cs.LG" not in html
    assert "Ion Stoica" in html
    check_page(html)
    subject = render(make_edition(), Form.SUBJECT, ours)
    assert subject == "[12] Systems for ML: 1 new paper"


def test_an_owners_block_holds_for_a_theme_too(tmp_path: Path, context: RenderContext) -> None:
    ours = owned(tmp_path, context, "mail.html.j2", examples()["mail.html.j2"])
    html = render(make_edition(), Form.HTML, replace(ours, theme=Theme.COMPACT))
    assert "Our reading group meets on Thursdays" in html
    assert "a serverless system" not in html


def test_a_themes_own_template_is_for_that_theme(tmp_path: Path, context: RenderContext) -> None:
    (tmp_path / "compact").mkdir()
    extends = '{% extends "digestbot/compact/mail.html.j2" %}'
    source = extends + "{% block footer %}<!-- mine -->{% endblock %}"
    ours = owned(tmp_path, context, "compact/mail.html.j2", source)
    compact = render(make_edition(), Form.HTML, replace(ours, theme=Theme.COMPACT))
    assert "<!-- mine -->" in compact
    assert "a serverless system" not in compact
    assert "<!-- mine -->" not in render(make_edition(), Form.HTML, ours)


def test_the_guide_names_every_block_and_where_it_is() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \| .* \| (HTML|both) \|$", GUIDE.read_text(), re.MULTILINE)
    )
    blocks = {
        form: set(re.findall(r"{% block (\w+)", (our_folder() / f"mail.{form}.j2").read_text()))
        for form in ("html", "txt")
    }
    assert set(rows) == blocks["html"]
    assert {name for name, where in rows.items() if where == "both"} == blocks["txt"]


def test_every_block_can_be_replaced_alone(tmp_path: Path, context: RenderContext) -> None:
    edition = full_edition()
    for block in re.findall(r"{% block (\w+)", (our_folder() / "mail.html.j2").read_text()):
        source = (
            f'{{% extends "digestbot/mail.html.j2" %}}{{% block {block} %}}MINE{{% endblock %}}'
        )
        html = render(edition, Form.HTML, owned(tmp_path, context, "mail.html.j2", source))
        # Not a quiet day; the block of the lines is there even if no paper needs one.
        assert ("MINE" in html) is (block != "quiet")


def test_the_guide_names_every_variable() -> None:
    guide = GUIDE.read_text()
    for prefix, kind in (
        ("edition", ShownEdition),
        ("section", Section),
        ("paper", ShownPaper),
        ("source", ShownSource),
    ):
        documented = set(re.findall(rf"`{prefix}\.(\w+)`", guide))
        assert documented == {each.name for each in fields(kind)}
