"""A bot in a temporary folder: write a config, call commands, check the output."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import pytest

from digestbot.cli.app import App
from digestbot.cli.error_reporting import run_reporting_errors
from digestbot.cli.group import digestbot
from digestbot.demo import SEED
from tests.factories import NOW
from tests.planted import shows_a_secret
from tests.servers.arxiv import ArxivServer, FakePaper
from tests.servers.smtp import SmtpServer

CONFIG = """\
{top}
sources:
  arxiv: {{kind: arxiv, categories: [cs.DC], url: "{url}", interval: 0s}}
digests:
  systems:
    schedule: daily 09:00
    filter: {{any: [serverless]}}
    deliver: {deliver}
{more}"""
SMTP = 'smtp: {{host: 127.0.0.1, port: {port}, security: none, sender: "Bot <bot@example.org>"}}'


def configure(url: str, *, top: str = "", deliver: str = "[{folder: out}]", more: str = "") -> None:
    """
    Write a config.yaml with one source, arxiv, and one digest, systems, due daily at 09:00 UTC.

    Args:
        url: URL of the source.
        top: Top-level keys to put first.
        deliver: Value of the digest's ``deliver``, on one line.
        more: Text to append below ``digests``.
    """
    Path("config.yaml").write_text(CONFIG.format(url=url, top=top, deliver=deliver, more=more))


def smtp_keys(smtp: SmtpServer) -> str:
    """Return the config's ``smtp`` key for the server *smtp*."""
    return SMTP.format(port=smtp.port)


def a_paper(number: int, title: str, **overrides: Any) -> FakePaper:
    """Return cs.DC paper ``2611.0000<number>``, submitted *number* hours before NOW."""
    at = NOW - timedelta(hours=number)
    fields: dict[str, Any] = {
        "id": f"2611.{number:05}",
        "version": 1,
        "title": title,
        "abstract": "We measure it.",
        "authors": ("Ana Pérez", "Ion Stoica"),
        "categories": ("cs.DC",),
        "published": at,
        "updated": at,
    }
    return FakePaper(**fields | overrides)


PAPERS = (
    a_paper(5, "Byzantine Agreement in Practice"),
    a_paper(4, "Serverless Inference"),
    a_paper(3, "Erasure Codes at Scale"),
    a_paper(2, "Is Serverless All You Need?"),
)
"""Two of them match the filter of `configure`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """Result of one call of the program."""

    code: int
    out: str
    err: str


class Bot(Protocol):
    """Function that calls the program as the shell would, at a given time."""

    def __call__(self, *args: str, at: datetime = NOW, stdin: str = "") -> Called: ...


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bot:
    """Return a function that calls the program in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str, at: datetime = NOW, stdin: str = "") -> Called:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        capsys.readouterr()
        if "run" in args and "--patience" not in args:
            args = (*args, "--patience", "0s")  # the clock stands still
        code = run_reporting_errors(digestbot, args, App(clock=lambda: at))
        captured = capsys.readouterr()
        assert not shows_a_secret(captured.out + captured.err), args
        return Called(code=code, out=captured.out, err=captured.err)

    return call


@pytest.fixture
def arxiv() -> Iterator[ArxivServer]:
    """Serve `PAPERS` as arXiv would."""
    with ArxivServer(PAPERS) as server:
        yield server


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    """Start a mail server without faults."""
    with SmtpServer() as server:
        yield server


@pytest.fixture
def seed() -> bytes:
    """Return the bundled page of arXiv."""
    return (files("digestbot") / SEED).read_bytes()
