"""Start-up cost, pinned by the modules that each command loads; figures: `tests.bench`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from digestbot.cli.commands import COMMANDS, help_text
from tests.cli.conftest import Bot, a_paper
from tests.servers.arxiv import ArxivServer

ROOT = Path(__file__).parents[2]
HEAVY = {
    "apscheduler", "alembic", "asyncio", "click", "feedparser", "httpx", "jinja2", "lxml", "numpy",
    "psycopg", "pydantic", "pylatexenc", "re2", "rich", "ruamel", "slack_sdk", "sqlalchemy",
    "starlette", "importlib.metadata",
}  # fmt: skip
NEVER = {
    "alembic", "annotated_types", "apscheduler", "cryptography", "flufl", "imaplib", "lark",
    "mailbox", "matplotlib", "psycopg", "pydantic", "pydantic_core", "rich", "slack_sdk",
    "sqlalchemy.dialects.postgresql", "starlette",
}  # fmt: skip
"""Loaded by no command on an existing SQLite store with a config without mistakes."""
NETWORK = {"aiosmtplib", "feedparser", "httpx", "lxml"}
RENDERING = {"babel", "jinja2"}
MATCHING = {"numpy", "re2"}
FORBIDDEN = {
    ("status",): NETWORK | RENDERING | MATCHING,
    ("coverage",): NETWORK | RENDERING | MATCHING,
    ("subscribers", "list"): NETWORK | RENDERING | MATCHING,
    ("deliveries", "list"): NETWORK | RENDERING | MATCHING,
    ("editions", "list"): NETWORK | RENDERING | MATCHING,
    ("suppressions", "list"): NETWORK | RENDERING | MATCHING,
    ("papers", "show", "2611.00001"): NETWORK | RENDERING | MATCHING,
    ("explain", "systems", "2611.00001"): NETWORK | RENDERING | MATCHING,
    ("preview", "systems"): NETWORK | MATCHING,
    ("run",): NETWORK | MATCHING,
    ("fetch",): {"feedparser", "aiosmtplib"} | MATCHING,
    ("backtest", "systems"): NETWORK,
    ("check",): NETWORK,
    ("bounces", "mail.eml"): NETWORK | MATCHING,
    ("schema",): NETWORK | MATCHING | RENDERING,
    ("demo", "--out", "demo"): {"aiosmtplib", "feedparser", "httpx"} | MATCHING,
    ("init", "--yes", "--config", "new.yaml"): NETWORK | RENDERING | MATCHING | {"sqlalchemy"},
    ("serve", "--help"): NETWORK | MATCHING,
}
"""What each command must not load beyond `NEVER`, when nothing is due and nothing is wrong."""
NEEDED = {
    "bounces": {"mailbox"},
    "demo": {"alembic", "sqlalchemy.dialects.postgresql"},
    "fetch": {"rich"},
    "schema": {"annotated_types", "pydantic", "pydantic_core"},
    "serve": {"apscheduler"},
}
"""Exceptions to `NEVER`: the demo makes a new database, httpx imports rich."""
CONFIG = """\
smtp:
  host: 127.0.0.1
  security: none
  sender: Bot <bot@example.org>
  envelope_from: bounces+{{token}}@example.org
  secret: 0123456789abcdef
slack: {{token: xoxb-1}}
sources:
  arxiv: {{kind: arxiv, categories: [cs.DC], url: "{url}", interval: 0s}}
digests:
  systems:
    schedule: monthly 1 09:00
    sources: [arxiv]
    filter: {{any: [serverless, {{title: inference, weight: 2}}], none: [{{category: "math.*"}}]}}
    deliver: [{{folder: out}}]
  team:
    schedule: monthly 1 09:00
    types: [replace]
    deliver: [{{email: ana@example.org}}, {{slack: "#papers"}}, {{webhook: "https://localhost/x"}}]
"""


def modules_after(code: str, folder: Path = ROOT) -> set[str]:
    """Return the modules that a fresh Python has loaded after running *code* in *folder*."""
    script = f"import sys\ntry:\n    {code}\n"
    script += "except SystemExit as end:\n    assert end.code in (0, 1)\n"
    script += "print('\\n'.join(('', 'modules:', *sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.partition("modules:\n")[2].split())


def loaded_by(*arguments: str, folder: Path = ROOT) -> set[str]:
    """Return the modules that one command has loaded when it ends."""
    code = f"from digestbot.cli import main; main({list(arguments)})"
    return modules_after(code, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a config and a store with two papers, after a first run."""
    path = tmp_path_factory.mktemp("bot")
    papers = (a_paper(1, "Serverless Inference"), a_paper(2, "Erasure Codes at Scale"))
    with ArxivServer(papers) as server:
        (path / "config.yaml").write_text(CONFIG.format(url=server.url))
        (path / "mail.eml").write_text("Subject: hello\n\nNo bounce.\n")
        loaded_by("run", folder=path)
        yield path


@pytest.mark.parametrize("arguments", FORBIDDEN, ids=" ".join)
def test_a_command_loads_only_what_it_needs(folder: Path, arguments: tuple[str, ...]) -> None:
    forbidden = (FORBIDDEN[arguments] | NEVER) - NEEDED.get(arguments[0], set())
    assert loaded_by(*arguments, folder=folder) & forbidden == set()


def test_every_command_has_a_list_of_modules() -> None:
    assert {arguments[0] for arguments in FORBIDDEN} == set(COMMANDS)


def test_a_config_with_a_mistake_loads_pydantic(folder: Path) -> None:
    """The test above would not notice if the names of the modules were wrong."""
    (folder / "typo.yaml").write_text((folder / "config.yaml").read_text() + "digest: {}\n")
    code = "from digestbot.cli import main; main(['status', '--config', 'typo.yaml'])"
    assert "pydantic" in modules_after(f"try: {code}\n    except SystemExit: pass", folder)


def test_help_loads_nothing_heavy() -> None:
    loaded = loaded_by("--help")
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("digestbot")} == {
        "digestbot",
        "digestbot.cli",
        "digestbot.cli.commands",
    }


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not modules_after("import digestbot") & HEAVY


@pytest.mark.parametrize("command", ["subscribers", "deliveries", "editions"])
def test_help_of_a_command_loads_no_other_command(command: str) -> None:
    others = {f"digestbot.cli.{name}" for name in COMMANDS} - {f"digestbot.cli.{command}"}
    assert not loaded_by(command, "--help") & others


def test_quick_help_equals_the_help_of_click(bot: Bot) -> None:
    called = bot("-v", "--help")
    assert called.code == 0
    assert called.out == help_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(bot: Bot, command: str) -> None:
    called = bot(command, "--help")
    assert called.code == 0
    assert "--json" in called.out
    assert COMMANDS[command].split()[0].lower() in called.out.lower()


def test_a_misspelled_command_gets_a_suggestion(bot: Bot) -> None:
    called = bot("chekc")
    assert called.code == 2
    assert 'unknown command "chekc"; did you mean "check"?' in called.err


def test_an_unknown_option_is_bad_usage(bot: Bot) -> None:
    assert bot("status", "--no-such").code == 2
