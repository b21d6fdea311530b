"""The context of a rendering resolves its language."""

from dataclasses import replace

import pytest

from digestbot.render import RenderContext


@pytest.mark.parametrize(("language", "tag"), [("de", "de"), ("zh", "zh-Hans"), ("xx", "en")])
def test_lang_is_the_configured_language(language: str, tag: str, context: RenderContext) -> None:
    """Unknown names fall back to English."""
    assert replace(context, language=language).lang.tag == tag
