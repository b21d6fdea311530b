"""Rules of the style sheet are inlined; everything else stays a style sheet."""

from pathlib import Path

from digestbot.model import Form
from digestbot.render import RenderContext, render
from digestbot.render.styles import read_styles
from tests.factories import make_edition
from tests.render.operator_templates import with_template

SHEET = """\
/* a comment */
.a{color:#111111;margin:0}
.b{padding:0;font-family:"Georgia"}
@media print{
.b{color:#222222!important}
}
"""


def test_rules_are_inlined_in_the_order_of_the_sheet() -> None:
    styles = read_styles(SHEET)
    assert styles.inline('<p class="b a">') == (
        '<p class="b" style="color:#111111;margin:0;padding:0;font-family:\'Georgia\'">'
    )


def test_styles_of_the_element_come_last() -> None:
    assert read_styles(SHEET).inline('<p class="a" style="margin:9px">') == (
        '<p style="color:#111111;margin:0;margin:9px">'
    )


def test_at_rules_stay_in_the_sheet() -> None:
    styles = read_styles(SHEET)
    assert styles.kept == "@media print{\n.b{color:#222222!important}\n}"
    assert styles.selected == {"b"}


def test_operator_style_sheet_is_inlined(tmp_path: Path, context: RenderContext) -> None:
    css = ".title{color:#123456}\n@media print{\n.title{color:#000000!important}\n}\n"
    html = render(
        make_edition(), Form.HTML, with_template(tmp_path, context, "mail/style.css", css)
    )
    assert '<h1 class="title" style="color:#123456" dir="auto">' in html
    assert "<style>\n@media print{\n.title{color:#000000!important}\n}\n</style>" in html
