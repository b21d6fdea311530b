"""Parts of mails are shared between editions, and the result is the same as without sharing."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.model import Edition, Form
from digestbot.render import RenderContext, bodies, load_templates, render
from digestbot.render.cache import BoundedCache
from tests.factories import make_edition
from tests.render.editions import EDITIONS
from tests.render.operator_templates import with_template


@given(editions=st.lists(EDITIONS, min_size=2, max_size=3))
@settings(max_examples=20)
def test_cached_parts_never_change_the_result(
    editions: list[Edition], context: RenderContext
) -> None:
    used = with_empty_cache(context)
    for at, edition in enumerate([*editions, *editions]):
        words = f"{edition.title} {at % 2}"
        fresh = replace(with_empty_cache(context), filter_in_words=words)
        assert bodies(edition, replace(used, filter_in_words=words)) == bodies(edition, fresh)


def with_empty_cache(context: RenderContext) -> RenderContext:
    """Return *context* with nothing cached."""
    empty = replace(context.templates, papers=BoundedCache(100), parts=BoundedCache(100))
    return replace(context, templates=empty)


@pytest.mark.parametrize("shown", ["{{ edition.title | upper }}", "{{ edition.title }}"])
def test_templates_may_compute_with_the_title(
    shown: str, tmp_path: Path, context: RenderContext
) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail/masthead.txt.j2").write_text(
        shown + '{% if edition.title == "one" %}!{% endif %}{{ edition.why | upper }}\n'
    )
    custom = replace(context, templates=load_templates(tmp_path))
    for title in ("one", "two", "one"):
        context = replace(custom, filter_in_words=f"{title} of all")
        first = render(make_edition(title=title), Form.TEXT, context).split("\n")[0]
        named = title.upper() if "upper" in shown else title
        assert first == f"{named}{'!' if title == 'one' else ''}{title.upper()} OF ALL"


def test_page_is_rendered_again_if_a_read_fact_changes(
    tmp_path: Path, context: RenderContext
) -> None:
    for name in ("masthead", "coverage"):
        custom = with_template(
            tmp_path, context, f"mail/{name}.txt.j2", "{{ edition['number'] }}\n"
        )
    first, second = (
        render(make_edition(number=number), Form.TEXT, custom).split("\n")[0] for number in (7, 8)
    )
    assert (first, second) == ("7", "8")
