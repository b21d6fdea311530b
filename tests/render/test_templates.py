"""Operator templates override and extend the packaged ones, and fail with their name and line."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digestbot.errors import RenderError
from digestbot.model import Form, Theme
from digestbot.render import RenderContext, load_templates, render
from digestbot.render.templates import COLUMNS, fill, packaged_folder
from digestbot.render.view import ShownEdition, ShownPaper, ShownSource
from tests.factories import make_edition, make_paper
from tests.render.editions import HOSTILE, full_edition
from tests.render.operator_templates import with_template
from tests.render.pages import check_page


def test_operator_template_replaces_the_packaged_one(
    tmp_path: Path, context: RenderContext
) -> None:
    custom = with_template(
        tmp_path, context, "subject.txt.j2", "[{{ edition.number }}] {{ edition.title }}\n"
    )
    assert render(make_edition(), Form.SUBJECT, custom) == "[12] Systems for ML"
    assert "<!DOCTYPE html>" in render(make_edition(), Form.HTML, custom)


def test_operator_template_may_extend_the_packaged_one(
    tmp_path: Path, context: RenderContext
) -> None:
    source = (
        '{% extends "digestbot/mail/paper.html.j2" %}{% block links %}<!-- mine -->{% endblock %}'
    )
    html = render(
        make_edition(), Form.HTML, with_template(tmp_path, context, "mail/paper.html.j2", source)
    )
    assert "<!-- mine -->" in html
    assert "Serverless" in html
    assert ">PDF</a>" not in html


def test_operator_html_is_autoescaped(tmp_path: Path, context: RenderContext) -> None:
    edition = make_edition([make_paper(title="<script>")])
    custom = with_template(tmp_path, context, "mail/paper.html.j2", "<p>{{ paper.title_text }}</p>")
    assert "<p>&lt;script&gt;</p>" in render(edition, Form.HTML, custom)


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
def test_failing_template_is_named_with_its_line(
    source: str, message: str, tmp_path: Path, context: RenderContext
) -> None:
    with pytest.raises(RenderError, match=f"^template {message}") as caught:
        render(
            make_edition(),
            Form.HTML,
            with_template(tmp_path, context, "mail/masthead.html.j2", source),
        )
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_paper_template_cannot_read_the_edition(tmp_path: Path, context: RenderContext) -> None:
    custom = with_template(tmp_path, context, "mail/paper.txt.j2", "{{ edition.title }}")
    with pytest.raises(RenderError, match=r"mail/paper\.txt\.j2:1: 'edition' is undefined"):
        render(make_edition(), Form.TEXT, custom)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("{{ number }} {{ paper.title_text }}\n", "  2. B"),
        ("{{ paper.title_text }} ({{ number }})\n", "B (  2.)"),
    ],
)
def test_paper_number_may_be_placed_anywhere(
    source: str, line: str, tmp_path: Path, context: RenderContext
) -> None:
    custom = with_template(tmp_path, context, "mail/paper.txt.j2", source)
    edition = make_edition([make_paper(title=title) for title in "AB"])
    assert line in render(edition, Form.TEXT, custom).split("\n")


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
def test_attributes_that_a_template_reads_are_found(
    source: str, reads: tuple[str, ...] | None, tmp_path: Path
) -> None:
    (tmp_path / "x.html.j2").write_text(source)
    found = load_templates(tmp_path).layout("x.html.j2").reads
    assert found == (None if reads is None else frozenset(reads))


def test_packaged_templates_are_found_in_a_checkout() -> None:
    names = {str(path.relative_to(packaged_folder())) for path in packaged_folder().rglob("*.j2")}
    both = {name.split(".")[0] for name in names if name.startswith("mail/")} - {"mail/macros"}
    assert names == {
        *(f"{name}.{form}.j2" for name in both for form in ("html", "txt")),
        *("mail/macros.html.j2", "subject.txt.j2"),
        *("compact/mail/paper.html.j2", "compact/mail/paper.txt.j2"),
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.sampled_from(HOSTILE), st.integers(0, 8), st.sampled_from(["", "1. ", "- "]))
def test_fill_keeps_every_word(text: str, indent: int, first: str) -> None:
    filled = fill(text, indent, first)
    assert "".join(filled.removeprefix(first).split()) == "".join(text.split())
    assert all(len(row) <= COLUMNS for row in filled.split("\n") if row.isascii())


def test_fill_counts_terminal_columns() -> None:
    assert [len(row) for row in fill("分" * 72).split("\n")] == [36, 36]
    assert "\n" not in fill("e\u0301" * 72)


GUIDE = packaged_folder().parent / "docs" / "templates.md"


def examples() -> dict[str, str]:
    """Return the templates in the guide by file name."""
    found = re.findall(
        r"`my-templates/([a-z./0-9]+)`[^`]*?:\n\n```jinja\n(.*?)```", GUIDE.read_text(), re.DOTALL
    )
    return dict(found)


def test_examples_of_the_guide_work(tmp_path: Path, context: RenderContext) -> None:
    for name, text in examples().items():
        custom = with_template(tmp_path, context, name, text)
    html = render(make_edition(), Form.HTML, custom)
    assert "Our reading group meets on Thursdays" in html
    assert "cs.DC · cs.LG" not in html
    assert "Ion Stoica" in html
    check_page(html)
    subject = render(make_edition(), Form.SUBJECT, custom)
    assert subject == "[12] Systems for ML: 1 new paper"


def test_operator_template_applies_to_themes(tmp_path: Path, context: RenderContext) -> None:
    custom = with_template(
        tmp_path, context, "mail/masthead.html.j2", examples()["mail/masthead.html.j2"]
    )
    html = render(make_edition(), Form.HTML, replace(custom, theme=Theme.COMPACT))
    assert "Our reading group meets on Thursdays" in html
    assert "a serverless system" not in html
    source = "<tr><td><!-- mine --></td></tr>"
    custom = with_template(tmp_path, context, "compact/mail/paper.html.j2", source)
    assert "<!-- mine -->" in render(
        make_edition(), Form.HTML, replace(custom, theme=Theme.COMPACT)
    )
    assert "<!-- mine -->" not in render(make_edition(), Form.HTML, custom)


def names_of_files(suffix: str) -> set[str]:
    """Return the names of the mail templates with *suffix*, which is removed."""
    return {
        path.name.removesuffix(suffix) for path in (packaged_folder() / "mail").glob(f"*{suffix}")
    }


def test_guide_lists_every_file() -> None:
    rows = dict(
        re.findall(r"^\| `mail/(\w+)` \| .* \| (HTML|both) \|$", GUIDE.read_text(), re.MULTILINE)
    )
    assert set(rows) == names_of_files(".html.j2")
    assert {name for name, where in rows.items() if where == "both"} == names_of_files(".txt.j2")


def test_guide_lists_every_block() -> None:
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


def test_every_block_of_a_paper_can_be_replaced(tmp_path: Path, context: RenderContext) -> None:
    for block in re.findall(
        r"{% block (\w+)", (packaged_folder() / "mail/paper.html.j2").read_text()
    ):
        extends = '{% extends "digestbot/mail/paper.html.j2" %}'
        source = f"{extends}{{% block {block} %}}MINE{{% endblock %}}"
        html = render(
            full_edition(),
            Form.HTML,
            with_template(tmp_path, context, "mail/paper.html.j2", source),
        )
        assert html.count("MINE") == len(full_edition().papers)


@pytest.mark.parametrize("suffix", ["html", "txt"])
def test_every_file_can_be_replaced(suffix: str, tmp_path: Path, context: RenderContext) -> None:
    form = Form.HTML if suffix == "html" else Form.TEXT
    for name in names_of_files(f".{suffix}.j2") - {"macros"}:
        file = f"mail/{name}.{suffix}.j2"
        body = render(full_edition(), form, with_template(tmp_path / name, context, file, "MINE\n"))
        # The edition has papers, none is left out for its size, and plain text gives no reason.
        unused = {"empty", "lines", "omitted"} | ({"reason"} if suffix == "txt" else set())
        assert ("MINE" in body) is (name not in unused)


def test_guide_lists_every_variable() -> None:
    guide = GUIDE.read_text()
    for prefix, kind in (
        ("edition", ShownEdition),
        ("paper", ShownPaper),
        ("source", ShownSource),
    ):
        documented = set(re.findall(rf"`{prefix}\.(\w+)`", guide))
        # Only other forms use these; the papers of a mail are rendered separately.
        other_forms = {"edition": {"sections"}, "paper": {"number"}}.get(prefix, set())
        assert documented == {each.name for each in fields(kind)} - other_forms
