"""The owner's templates: they override, extend, and fail with their name and line."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from digestbot.errors import RenderError
from digestbot.model import Form, Theme
from digestbot.render import RenderContext, load_templates, render
from digestbot.render.sanitize import doi_url, url
from digestbot.render.templates import packaged_folder
from digestbot.render.view import ShownEdition, ShownPaper, ShownSource
from tests.factories import make_edition, make_paper
from tests.render.editions import full_edition
from tests.render.pages import check_page


def owned(folder: Path, context: RenderContext, name: str, text: str) -> RenderContext:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return replace(context, templates=load_templates(folder))


def test_an_owners_template_takes_the_place_of_ours(tmp_path: Path, context: RenderContext) -> None:
    ours = owned(
        tmp_path, context, "subject.txt.j2", "[{{ edition.number }}] {{ edition.title }}\n"
    )
    assert render(make_edition(), Form.SUBJECT, ours) == "[12] Systems for ML"
    assert "<!DOCTYPE html>" in render(make_edition(), Form.HTML, ours)


def test_an_owners_template_may_extend_ours(tmp_path: Path, context: RenderContext) -> None:
    source = (
        '{% extends "digestbot/mail/paper.html.j2" %}{% block links %}<!-- mine -->{% endblock %}'
    )
    html = render(make_edition(), Form.HTML, owned(tmp_path, context, "mail/paper.html.j2", source))
    assert "<!-- mine -->" in html
    assert "Serverless" in html
    assert ">PDF</a>" not in html


def test_an_owners_html_is_escaped_by_itself(tmp_path: Path, context: RenderContext) -> None:
    edition = make_edition([make_paper(title="<script>")])
    ours = owned(tmp_path, context, "mail/paper.html.j2", "<p>{{ paper.title_text }}</p>")
    assert "<p>&lt;script&gt;</p>" in render(edition, Form.HTML, ours)


def test_an_owners_style_sheet_is_written_into_our_elements(
    tmp_path: Path, context: RenderContext
) -> None:
    css = ".title{color:#123456}\n@media print{\n.title{color:#000000!important}\n}\n"
    html = render(make_edition(), Form.HTML, owned(tmp_path, context, "mail/style.css", css))
    assert '<h1 class="title" style="color:#123456" dir="auto">' in html
    assert "<style>\n@media print{\n.title{color:#000000!important}\n}\n</style>" in html


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("one\n{{ edition.titel }}", r"mail/masthead\.html\.j2:2: .*titel"),
        ("one\ntwo\n{% if %}", r"mail/masthead\.html\.j2:3: "),
        ("{{ 1 / 0 }}", r"mail/masthead\.html\.j2:1: division by zero"),
        ('{% include "gone.html.j2" %}', r"mail/masthead\.html\.j2.*gone\.html\.j2"),
        ("{{ edition.__class__.__mro__ }}", r"mail/masthead\.html\.j2:1: .*unsafe"),
        ("{% for n in range(10**9) %}{% endfor %}", r"mail/masthead\.html\.j2:1: .*[Rr]ange"),
        ("{{ edition.title.foo() }}", r"mail/masthead\.html\.j2:1: "),
    ],
)
def test_a_template_that_fails_is_named_with_its_line(
    source: str, message: str, tmp_path: Path, context: RenderContext
) -> None:
    with pytest.raises(RenderError, match=f"^template {message}") as caught:
        render(make_edition(), Form.HTML, owned(tmp_path, context, "mail/masthead.html.j2", source))
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_papers_template_knows_nothing_of_the_edition(
    tmp_path: Path, context: RenderContext
) -> None:
    ours = owned(tmp_path, context, "mail/paper.txt.j2", "{{ edition.title }}")
    with pytest.raises(RenderError, match=r"mail/paper\.txt\.j2:1: 'edition' is undefined"):
        render(make_edition(), Form.TEXT, ours)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("{{ number }} {{ paper.title_text }}\n", "  2. B"),
        ("{{ paper.title_text }} ({{ number }})\n", "B (  2.)"),
    ],
)
def test_the_number_of_a_paper_comes_to_stand_where_the_owner_wants_it(
    source: str, line: str, tmp_path: Path, context: RenderContext
) -> None:
    ours = owned(tmp_path, context, "mail/paper.txt.j2", source)
    edition = make_edition([make_paper(title=title) for title in "AB"])
    assert line in render(edition, Form.TEXT, ours).split("\n")


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("{{ edition.title }}{% if edition.why %}x{% endif %}", ("title", "why")),
        ("{{ paper.title }}", ()),
        ("{% set all = edition %}{{ all.title }}", None),
        ("{{ edition['title'] }}", None),
        ('{% include "digestbot/mail/reason.html.j2" %}{{ edition.number }}', ("number", "why")),
        ("{% include language %}", None),
    ],
)
def test_what_a_template_reads_of_the_edition_is_seen(
    source: str, reads: tuple[str, ...] | None, tmp_path: Path
) -> None:
    (tmp_path / "x.html.j2").write_text(source)
    found = load_templates(tmp_path).layout("x.html.j2").reads
    assert found == (None if reads is None else frozenset(reads))


def test_what_a_template_reads_decides_whether_it_is_rendered_again(
    tmp_path: Path, context: RenderContext
) -> None:
    for name in ("masthead", "coverage"):
        ours = owned(tmp_path, context, f"mail/{name}.txt.j2", "{{ edition['number'] }}\n")
    first, second = (
        render(make_edition(number=number), Form.TEXT, ours).split("\n")[0] for number in (7, 8)
    )
    assert (first, second) == ("7", "8")


def test_our_templates_are_found_in_a_checkout() -> None:
    names = {str(path.relative_to(packaged_folder())) for path in packaged_folder().rglob("*.j2")}
    both = {name.split(".")[0] for name in names if name.startswith("mail/")} - {"mail/words"}
    assert names == {
        *(f"{name}.{form}.j2" for name in both for form in ("html", "txt")),
        *("mail/words.html.j2", "subject.txt.j2"),
        *("compact/mail/paper.html.j2", "compact/mail/paper.txt.j2"),
    }


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


GUIDE = packaged_folder().parent / "docs" / "templates.md"


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
    assert "cs.DC · cs.LG" not in html
    assert "Ion Stoica" in html
    check_page(html)
    subject = render(make_edition(), Form.SUBJECT, ours)
    assert subject == "[12] Systems for ML: 1 new paper"


def test_an_owners_file_holds_for_a_theme_too(tmp_path: Path, context: RenderContext) -> None:
    ours = owned(tmp_path, context, "mail/masthead.html.j2", examples()["mail/masthead.html.j2"])
    html = render(make_edition(), Form.HTML, replace(ours, theme=Theme.COMPACT))
    assert "Our reading group meets on Thursdays" in html
    assert "a serverless system" not in html
    source = "<tr><td><!-- mine --></td></tr>"
    ours = owned(tmp_path, context, "compact/mail/paper.html.j2", source)
    assert "<!-- mine -->" in render(make_edition(), Form.HTML, replace(ours, theme=Theme.COMPACT))
    assert "<!-- mine -->" not in render(make_edition(), Form.HTML, ours)


def names_of_files(suffix: str) -> set[str]:
    """Our templates of the mail with that ending, without it."""
    return {
        path.name.removesuffix(suffix) for path in (packaged_folder() / "mail").glob(f"*{suffix}")
    }


def test_the_guide_names_every_file() -> None:
    rows = dict(
        re.findall(r"^\| `mail/(\w+)` \| .* \| (HTML|both) \|$", GUIDE.read_text(), re.MULTILINE)
    )
    assert set(rows) == names_of_files(".html.j2")
    assert {name for name, where in rows.items() if where == "both"} == names_of_files(".txt.j2")


def test_the_guide_names_every_block() -> None:
    rows = dict(
        re.findall(r"^\| block `(\w+)` \| .* \| (HTML|both) \|$", GUIDE.read_text(), re.MULTILINE)
    )
    blocks = {
        form: set(
            re.findall(r"{% block (\w+)", (packaged_folder() / f"mail/paper.{form}.j2").read_text())
        )
        for form in ("html", "txt")
    }
    assert set(rows) == blocks["html"]
    assert {name for name, where in rows.items() if where == "both"} == blocks["txt"]


def test_every_block_of_a_paper_can_be_replaced_alone(
    tmp_path: Path, context: RenderContext
) -> None:
    for block in re.findall(
        r"{% block (\w+)", (packaged_folder() / "mail/paper.html.j2").read_text()
    ):
        extends = '{% extends "digestbot/mail/paper.html.j2" %}'
        source = f"{extends}{{% block {block} %}}MINE{{% endblock %}}"
        html = render(
            full_edition(), Form.HTML, owned(tmp_path, context, "mail/paper.html.j2", source)
        )
        assert html.count("MINE") == len(full_edition().papers)


@pytest.mark.parametrize("suffix", ["html", "txt"])
def test_every_file_can_be_replaced_alone(
    suffix: str, tmp_path: Path, context: RenderContext
) -> None:
    form = Form.HTML if suffix == "html" else Form.TEXT
    for name in names_of_files(f".{suffix}.j2") - {"words"}:
        file = f"mail/{name}.{suffix}.j2"
        body = render(full_edition(), form, owned(tmp_path / name, context, file, "MINE\n"))
        # Not a quiet day, and no paper needs to be in one line.
        assert ("MINE" in body) is (name not in {"quiet", "line", "lines"})


def test_the_guide_names_every_variable() -> None:
    guide = GUIDE.read_text()
    for prefix, kind in (
        ("edition", ShownEdition),
        ("paper", ShownPaper),
        ("source", ShownSource),
    ):
        documented = set(re.findall(rf"`{prefix}\.(\w+)`", guide))
        # These are of other forms: a mail's papers are rendered apart.
        elsewhere = {"edition": {"sections"}, "paper": {"number"}}.get(prefix, set())
        assert documented == {each.name for each in fields(kind)} - elsewhere
