"""
Fixtures for rendering: the packaged templates and the golden files.

``pytest tests/render --golden`` rewrites the golden files; review the diff before committing.
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
    parser.addoption("--golden", action="store_true", help="rewrite the golden files")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a function that compares a text with a golden file, or rewrites the file."""
    rewrite = request.config.getoption("--golden", default=False)

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if rewrite:
            path.write_bytes(text.encode())
        assert path.read_bytes().decode() == text, (
            f"{name} differs; if that is intended, run with --golden"
        )

    return compare


@pytest.fixture(scope="session")
def templates() -> Templates:
    """Load the packaged templates once."""
    return load_templates()


@pytest.fixture(scope="session")
def context(templates: Templates) -> RenderContext:
    """Return a context with every fact a footer can show, in Berlin."""
    return RenderContext(
        templates=templates,
        timezone=ZoneInfo("Europe/Berlin"),
        public_url="https://digests.example.org/",
        home_url="https://digests.example.org/",
        next_edition_at=NOW + timedelta(days=1),
        unsubscribe="mailto:digests@example.org?subject=unsubscribe%20systems",
        filter_in_words="serverless or mixture of experts; and category cs.DC",
    )
