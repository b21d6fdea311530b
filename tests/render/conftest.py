"""
What the tests of rendering share: the packaged templates, and golden files.

``pytest tests/render --golden`` writes the golden files anew; look at the difference before it is
committed.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from digestbot.render import RenderContext, Templates, load_templates
from tests.factories import NOW

GOLDEN = Path(__file__).parent.parent / "data" / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden files anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the golden file of that name, byte by byte; or writes it."""
    renew = request.config.getoption("--golden", default=False)

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if renew:
            path.write_bytes(text.encode())
        assert path.read_bytes().decode() == text, f"{name} is not what it was: renew it?"

    return compare


@pytest.fixture(scope="session")
def templates() -> Templates:
    """Those of the package, compiled once."""
    return load_templates()


@pytest.fixture(scope="session")
def context(templates: Templates) -> RenderContext:
    """All that a footer can say, in Berlin."""
    return RenderContext(
        templates=templates,
        timezone=ZoneInfo("Europe/Berlin"),
        public_url="https://digests.example.org/",
        next_edition_at=NOW + timedelta(days=1),
        unsubscribe="mailto:digests@example.org?subject=unsubscribe%20systems",
        filter_in_words="serverless or mixture of experts; and category cs.DC",
    )
