"""`editions`: past editions, shown as sent."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Bot, a_paper, configure
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer


@pytest.fixture
def two(bot: Bot, arxiv: ArxivServer) -> None:
    """Make two editions of the digest, a day apart."""
    configure(arxiv.url)
    assert bot("run").code == 0
    tomorrow = NOW + timedelta(days=1)
    arxiv.papers.append(a_paper(9, "Serverless Tomorrow", published=NOW, updated=NOW))
    assert bot("run", at=tomorrow).code == 0


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    "command", [("editions",), ("editions", "list"), ("editions", "list", "systems")]
)
def test_list_is_newest_first(bot: Bot, command: tuple[str, ...]) -> None:
    found = json.loads(bot(*command, "--json").out)
    assert [(e["edition"], e["papers"]) for e in found] == [("systems/2", 1), ("systems/1", 2)]
    table = bot(*command).out
    assert table.index("systems/2") < table.index("systems/1")


@pytest.mark.usefixtures("two")
def test_list_respects_the_limit(bot: Bot) -> None:
    found = json.loads(bot("editions", "list", "--limit", "1", "--json").out)
    assert [e["edition"] for e in found] == ["systems/2"]


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("form", "file"),
    [("text", "txt"), ("html", "html"), ("json", "json")],
)
def test_show_prints_the_edition_as_sent(bot: Bot, form: str, file: str) -> None:
    shown = bot("editions", "show", "systems/1", "--format", form)
    assert (shown.code, shown.err) == (0, "")
    sent = Path("out/systems-0001-2026-11-23").with_suffix(f".{file}").read_text()
    assert shown.out.rstrip("\n") == sent.rstrip("\n")


@pytest.mark.usefixtures("two")
def test_json_option_shows_the_json_form(bot: Bot) -> None:
    assert json.loads(bot("editions", "show", "systems/2", "--json").out)["edition"] == "systems/2"


def test_empty_list_and_unknown_edition(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    assert bot("editions").out == "no editions yet\n"
    called = bot("editions", "show", "systems/1")
    assert called.code == 1
    assert "no edition systems/1; 'digestbot editions list' shows all of them" in called.err


@pytest.mark.parametrize("name", ["systems", "systems/", "/1", "systems/one", "systems/²"])
def test_malformed_edition_name_exits_2(bot: Bot, arxiv: ArxivServer, name: str) -> None:
    configure(arxiv.url)
    called = bot("editions", "show", name)
    assert called.code == 2
    assert called.err == f'"{name}" is not an edition; use DIGEST/NUMBER, such as systems/12\n'


def test_unknown_digest_exits_2(bot: Bot, arxiv: ArxivServer) -> None:
    configure(arxiv.url)
    assert bot("editions", "list", "sytems").code == 2
