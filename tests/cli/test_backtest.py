"""`backtest`: what a filter would have brought, and what an edit of it wins and loses."""

import json
import struct
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree

from tests.cli.conftest import PAPERS, Bot, a_paper, configure
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer


@pytest.fixture
def fetched(bot: Bot) -> Iterator[ArxivServer]:
    """Five papers are in the store; the day after, two more."""
    later = NOW + timedelta(days=1)
    new = (
        a_paper(6, "Scale at Scale", published=later, updated=later),
        a_paper(7, "More Serverless Inference", published=later, updated=later),
    )
    with ArxivServer(PAPERS) as server:
        configure(server.url)
        path = Path("config.yaml")
        text = path.read_text().replace("[serverless]", "[serverless, scale, {title: quantum}]")
        path.write_text(text)
        assert bot("fetch").code == 0
        server.papers += new
        assert bot("fetch", at=later).code == 0
        yield server


@pytest.fixture
def older(fetched: ArxivServer) -> Path:
    """The config before an edit: it looked for codes, not for scale."""
    path = Path("old.yaml")
    path.write_text(Path("config.yaml").read_text().replace("scale,", "agreement,"))
    return path


TOMORROW = NOW + timedelta(days=1, hours=1)


@pytest.mark.usefixtures("fetched")
def test_papers_a_day_and_what_each_term_adds_alone(bot: Bot) -> None:
    called = bot("backtest", "systems", at=TOMORROW)
    assert (called.code, called.err) == (0, "")
    assert called.out.splitlines() == [
        "systems: 5 papers of 6 in 2 days, 2.5 a day",
        "",
        "Mon 2026-11-23    3 ████████████████████████████████████████",
        "Tue 2026-11-24    2 ███████████████████████████",
        "",
        "ALONE  HITS  TERM",
        "3      3     serverless",
        "2      2     scale",
        "never hit: title: quantum",
    ]


@pytest.mark.usefixtures("fetched")
def test_the_same_as_json(bot: Bot) -> None:
    facts = json.loads(bot("backtest", "systems", "--json", at=TOMORROW).out)
    assert (facts["considered"], facts["matched"], facts["a_day"]) == (6, 5, 2.5)
    assert facts["days"][0] == {"day": "2026-11-23", "papers": 3}
    assert facts["terms"][0] == {"term": "serverless", "hits": 3, "alone": 3}
    assert facts["never"] == ["title: quantum"]


@pytest.mark.usefixtures("fetched")
def test_since_cuts_off_what_is_older(bot: Bot) -> None:
    facts = json.loads(bot("backtest", "systems", "--since", "2h", "--json", at=TOMORROW).out)
    assert (facts["considered"], facts["matched"]) == (2, 2)


def test_an_edit_wins_and_loses(bot: Bot, older: Path) -> None:
    out = bot("backtest", "systems", "--against", str(older), at=TOMORROW).out
    assert "gained: 2\n+ arxiv:2611.00003  Erasure Codes at Scale\n+ arxiv:2611.00006" in out
    assert "lost: 1\n- arxiv:2611.00005  Byzantine Agreement in Practice\n" in out


@pytest.mark.usefixtures("fetched")
def test_a_plot_is_a_picture_of_some_size(bot: Bot) -> None:
    called = bot("backtest", "systems", "--plot", "x.png", at=TOMORROW)
    assert (called.code, called.err) == (0, "drawn to x.png\n")
    content = Path("x.png").read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert (width, height) == (800, 300)
    assert bot("backtest", "systems", "--plot", "x.svg", at=TOMORROW).code == 0
    assert etree.parse("x.svg").getroot().tag.endswith("}svg")


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "soon"), "--since 'soon' is no span of time; write 90d, 36h or 2w"),
        (("--plot", "x.gif"), "--plot x.gif: name a .png or an .svg"),
        (("--plot", "nowhere/x.png"), "cannot write nowhere/x.png: No such file or directory"),
        (("--against", "none.yaml"), "none.yaml: no such file"),
    ],
)
def test_bad_usage(bot: Bot, options: tuple[str, str], words: str) -> None:
    called = bot("backtest", "systems", *options)
    assert (called.code, called.out) == (2, "")
    assert words in called.err
