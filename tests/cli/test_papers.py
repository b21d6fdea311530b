"""`papers`: which papers are one work, and how to undo it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from digestbot.model import FetchedPaper
from digestbot.store import open_store
from tests.cli.conftest import PAPERS, Bot, configure
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer

JOURNAL = "doi:10.5555/j.1"
ARXIV = "arxiv:2611.00004"


def journal() -> FetchedPaper:
    return FetchedPaper(
        id=JOURNAL,
        title="Serverless Inference",
        abstract="",
        url="https://doi.org/10.5555/j.1",
        doi="10.5555/j.1",
        aliases=(JOURNAL, ARXIV),
    )


@pytest.fixture
def joined(bot: Bot, tmp_path: Path) -> Iterator[str]:
    """Fetch a paper and the journal's record of it; return the URL of the store."""
    with ArxivServer(PAPERS) as server:
        configure(server.url)
        assert bot("fetch").code == 0
        url = f"sqlite:///{Path('digestbot.db').resolve()}"
        with open_store(url) as store:
            store.papers.ingest("journal", [journal()], {}, NOW)
        yield url


def test_a_work_is_shown_with_the_record_that_joined_it(bot: Bot, joined: str) -> None:
    shown = bot("papers", "show", "10.5555/j.1").out.splitlines()
    assert shown[0] == f"Known as {ARXIV}, {JOURNAL}"
    assert f"{ARXIV} and {JOURNAL}: one work, {JOURNAL} names {ARXIV} (journal), " in shown[-1]
    facts = json.loads(bot("papers", "show", "2611.00004", "--json").out)
    assert facts["papers"] == [ARXIV, JOURNAL]
    assert (facts["merges"][0]["source"], facts["apart"]) == ("journal", [])


def test_explain_says_what_joined_the_paper(bot: Bot, joined: str) -> None:
    assert f"Known as {ARXIV}, {JOURNAL}\n" in bot("explain", "systems", "2611.00004").out
    facts = json.loads(bot("explain", "systems", "10.5555/j.1", "--json").out)
    assert facts["work"]["papers"] == [ARXIV, JOURNAL]


def test_a_split_holds_for_later_records(bot: Bot, joined: str) -> None:
    called = bot("papers", "split", "10.5555/j.1")
    assert (called.code, called.out) == (0, f"{JOURNAL} is kept apart from {ARXIV}\n")
    with open_store(joined) as store:
        store.papers.ingest("journal", [journal()], {}, NOW)
    assert f"Known as {ARXIV}\n" in bot("papers", "show", "2611.00004").out
    again = bot("papers", "split", "10.5555/j.1")
    assert (again.code, again.err) == (
        1,
        f"digestbot: not merged with any other paper: {JOURNAL}\n",
    )


def test_papers_are_merged_by_hand(bot: Bot, joined: str) -> None:
    called = bot("papers", "merge", "2611.00004", "10.5555/j.1", "2611.00003")
    assert called.out.splitlines() == [
        f"{JOURNAL} and {ARXIV} are one work already",
        f"arxiv:2611.00003 and {ARXIV} are one work",
    ]


def test_an_unknown_paper_is_named(bot: Bot, joined: str) -> None:
    called = bot("papers", "show", "2611.09999")
    assert (called.code, called.err) == (1, "digestbot: no source has announced arxiv:2611.09999\n")
