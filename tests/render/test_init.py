"""`render` dispatches on the form."""

import pytest

from digestbot.errors import RenderError
from digestbot.model import Form
from digestbot.render import FORMS, RenderContext, render
from tests.factories import make_edition


def test_every_form_but_eml_is_rendered() -> None:
    assert set(FORMS) == set(Form) - {Form.EML}


def test_eml_needs_a_recipient(context: RenderContext) -> None:
    with pytest.raises(RenderError, match='"eml" needs a recipient'):
        render(make_edition(), Form.EML, context)
