"""`backtest`: past matches of a filter, and the effect of editing it."""

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
    """Four papers in the store, and two more a day later."""
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
    """An older config, with "agreement" in place of "scale"."""
    path = Path("old.yaml")
    path.write_text(Path("config.yaml").read_text().replace("scale,", "agreement,"))
    return path


TOMORROW = NOW + timedelta(days=1, hours=1)


@pytest.mark.usefixtures("fetched")
def test_output_shows_days_and_terms(bot: Bot) -> None:
    called = bot("backtest", "systems", at=TOMORROW)
    assert (called.code, called.err) == (0, "")
    assert called.out.splitlines() == [
        "systems: 5 of 6 papers matched in 2 days, 2.5 per day",
        "",
        "Mon 2026-11-23    3 ████████████████████████████████████████",
        "Tue 2026-11-24    2 ███████████████████████████",
        "",
        "ALONE  HITS  TERM",
        "3      3     serverless",
        "2      2     scale",
        "never matched: title: quantum",
    ]


@pytest.mark.usefixtures("fetched")
def test_json_output(bot: Bot) -> None:
    facts = json.loads(bot("backtest", "systems", "--json", at=TOMORROW).out)
    assert (facts["considered"], facts["matched"], facts["a_day"]) == (6, 5, 2.5)
    assert facts["days"][0] == {"day": "2026-11-23", "papers": 3}
    assert facts["terms"][0] == {"term": "serverless", "hits": 3, "alone": 3}
    assert facts["never"] == ["title: quantum"]


@pytest.mark.usefixtures("fetched")
def test_since_limits_the_time_span(bot: Bot) -> None:
    facts = json.loads(bot("backtest", "systems", "--since", "2h", "--json", at=TOMORROW).out)
    assert (facts["considered"], facts["matched"]) == (2, 2)


def test_against_lists_gained_and_lost_papers(bot: Bot, older: Path) -> None:
    out = bot("backtest", "systems", "--against", str(older), at=TOMORROW).out
    assert "gained: 2\n+ arxiv:2611.00003  Erasure Codes at Scale\n+ arxiv:2611.00006" in out
    assert "lost: 1\n- arxiv:2611.00005  Byzantine Agreement in Practice\n" in out


@pytest.mark.usefixtures("fetched")
def test_plot_writes_png_and_svg(bot: Bot) -> None:
    called = bot("backtest", "systems", "--plot", "x.png", at=TOMORROW)
    assert (called.code, called.err) == (0, "plot written to x.png\n")
    content = Path("x.png").read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert (width, height) == (800, 300)
    assert bot("backtest", "systems", "--plot", "x.svg", at=TOMORROW).code == 0
    assert etree.parse("x.svg").getroot().tag.endswith("}svg")


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--since", "soon"), '--since "soon" is not a time span; use 90d, 36h or 2w'),
        (("--plot", "x.gif"), "--plot x.gif: the file name must end in .png or .svg"),
        (("--plot", "nowhere/x.png"), "cannot write nowhere/x.png: No such file or directory"),
        (("--against", "none.yaml"), "none.yaml: no such file"),
    ],
)
def test_invalid_options_exit_2(bot: Bot, options: tuple[str, str], message: str) -> None:
    called = bot("backtest", "systems", *options)
    assert (called.code, called.out) == (2, "")
    assert message in called.err
