"""`deliveries export` and `import`: a new machine continues where the old one stopped."""

import json
import os
import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from digestbot.store import open_store
from digestbot.store.processes import Process
from tests.cli.conftest import Bot, a_paper, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer

DAY = timedelta(days=1)
LEDGER = "ledger.jsonl"


@pytest.fixture
def old(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> Path:
    """Return the folder of a machine with two editions sent and one delivery failed."""
    folder = Path("old").absolute()
    move_to(folder, arxiv, smtp)
    smtp.refuse("b@example.org", "451 4.3.0 later")
    assert bot("run").code == 1
    bot("suppressions", "add", "c@example.org")
    arxiv.papers.append(a_paper(9, "Serverless News", published=NOW, updated=NOW))
    bot("run", "--now", at=NOW + DAY)
    smtp.refused.clear()
    return folder


def move_to(folder: Path, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    """Set up another machine with the same config."""
    folder.mkdir()
    os.chdir(folder)
    people = "[{email: [a@example.org, b@example.org, c@example.org]}]"
    configure(arxiv.url, top=smtp_keys(smtp), deliver=people)


def subjects(smtp: SmtpServer, address: str) -> int:
    return sum(m.recipients == (address,) for m in smtp.messages)


def test_new_machine_sends_nothing_twice(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, old: Path
) -> None:
    called = bot("deliveries", "export", LEDGER)
    assert called.code == 0
    assert stat.S_IMODE(Path(LEDGER).stat().st_mode) == 0o600
    before = json.loads(bot("deliveries", "--json").out)
    sent = len(smtp.messages)
    assert sent == 3

    move_to(old.parent / "new", arxiv, smtp)
    taken = bot("deliveries", "import", str(old / LEDGER))
    assert (taken.code, taken.err) == (0, "")
    at = NOW + DAY + timedelta(hours=1)
    assert bot("run", "--now", at=at).code == 0
    assert len(smtp.messages) == sent
    after = json.loads(bot("deliveries", "--json").out)
    keys = ("id", "edition", "address", "message_id", "sent_at")
    assert [[d[key] for key in keys] for d in after] == [[d[key] for key in keys] for d in before]
    assert bot("deliveries", "import", str(old / LEDGER)).out == "0 rows imported\n"

    arxiv.papers.append(a_paper(10, "Serverless Still", published=at, updated=at))
    assert bot("run", "--now", at=at + DAY).code == 0
    assert [m.recipients for m in smtp.messages[sent:]].count(("a@example.org",)) == 1
    assert subjects(smtp, "c@example.org") == 1  # before it was suppressed
    (newest, *_) = json.loads(bot("editions", "--json").out)
    assert (newest["edition"], newest["papers"]) == ("systems/3", 1)


def test_explain_answers_for_the_machines_before(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, old: Path
) -> None:
    """Two moves in a row, with nothing fetched since."""
    question = ("explain", "--json", "--sent-to", "a@example.org", "2611.00009")
    before = json.loads(bot(*question).out)
    assert [(one["sent"], one["edition"], one["why"]) for one in before] == [
        ("yes", "systems/2", "sent")
    ]
    assert before[0]["sent_at"]
    assert before[0]["receipt"]
    for name in ("second", "third"):
        bot("deliveries", "export", LEDGER)
        ledger = Path(LEDGER).absolute()
        move_to(old.parent / name, arxiv, smtp)
        assert bot("deliveries", "import", str(ledger)).code == 0
    assert json.loads(bot(*question).out) == before
    why = bot("explain", "--sent-to", "b@example.org", "2611.00009").out
    assert "was retrying when it was exported" in why


def test_an_edited_filter_finds_nothing_from_before_the_move(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, old: Path
) -> None:
    """The old machine had shown the paper to no digest; the source still serves it."""
    bot("deliveries", "export", LEDGER)
    move_to(old.parent / "new", arxiv, smtp)
    bot("deliveries", "import", str(old / LEDGER))
    sent = len(smtp.messages)
    config = Path("config.yaml").read_text()
    assert "any: [serverless]" in config
    Path("config.yaml").write_text(config.replace("[serverless]", "[serverless, erasure]"))
    assert bot("run", "--now", at=NOW + 9 * DAY).code == 0
    assert len(smtp.messages) == sent


def test_unsent_deliveries_are_held_until_release(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, old: Path
) -> None:
    bot("deliveries", "export", LEDGER)
    move_to(old.parent / "new", arxiv, smtp)
    bot("deliveries", "import", str(old / LEDGER))
    at = NOW + DAY + timedelta(hours=1)
    held = json.loads(bot("deliveries", "list", "--state", "held", "--json").out)
    assert [d["address"] for d in held] == ["b@example.org"] * 2
    assert "was retrying when it was exported" in held[0]["error"]
    bot("deliveries", "release", at=at)
    assert bot("run", "--no-fetch", at=at).code == 0
    assert subjects(smtp, "b@example.org") == 2
    mails = b"".join(m.content for m in smtp.messages[3:])
    assert all(d["message_id"].encode() in mails for d in held)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (2, '{"table": "sources"'),
        (3, "[]"),
        (4, '{"table": "papers"}'),
        (1, '{"table": "ledger", "revision": "0000", "head": 1}'),
    ],
    ids=["no-json", "no-row", "columns", "version"],
)
def test_bad_line_aborts_the_import(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, old: Path, line: int, text: str
) -> None:
    bot("deliveries", "export", LEDGER)
    lines = Path(LEDGER).read_text().splitlines()
    lines[line - 1] = text
    move_to(old.parent / "new", arxiv, smtp)
    Path(LEDGER).write_text("\n".join(lines))
    called = bot("deliveries", "import", LEDGER)
    assert called.code == 2
    assert called.err.startswith(f"{LEDGER}:{line}: ")
    assert called.err.count("\n") == 1
    assert bot("editions").out == "no editions yet\n"
    assert bot("suppressions").out == "no suppressed addresses\n"


def test_ledger_can_be_piped(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, old: Path) -> None:
    ledger = bot("deliveries", "export", "-").out
    move_to(old.parent / "new", arxiv, smtp)
    taken = bot("deliveries", "import", "-", "--json", stdin=ledger)
    assert json.loads(taken.out)["added"] == ledger.count("\n") - 1


def test_unwritable_path_is_reported(bot: Bot, old: Path) -> None:
    called = bot("deliveries", "export", "no/such/folder/ledger.jsonl")
    assert called.code == 2
    assert called.err == "cannot write no/such/folder/ledger.jsonl: No such file or directory\n"


def test_a_store_copied_while_in_use_is_refused_until_adopted(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, old: Path
) -> None:
    with open_store("sqlite:///digestbot.db") as store:
        store.processes.begin(Process("alpha", 7), NOW + DAY)
        move_to(old.parent / "new", arxiv, smtp)
        for file in old.glob("digestbot.db*"):
            shutil.copy(file, ".")
        at = NOW + DAY + timedelta(minutes=5)
        sent = len(smtp.messages)
        for command in ("run", "serve"):
            refused = bot(command, at=at)
            assert refused.code == 1
            assert "digestbot.db: copied while digestbot ran on alpha (process 7" in refused.err
            assert refused.err.count("\n") == 1
        findings = json.loads(bot("check", "--json", at=at).out)["findings"]
        assert {f["what"]: f["state"] for f in findings}["store"] == "error"
        assert bot("deliveries", "adopt").out == "adopted\n"
        assert bot("deliveries", "adopt").out == "nothing to adopt\n"
        assert bot("run", "--now", at=at).code == 1  # it tries the failed delivery again
        assert len(smtp.messages) - sent <= 1
        assert bot("check", at=at).code == 0


def test_a_stopped_store_moves_by_copying_its_file(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [path.name for path in old.glob("digestbot.db*")] == ["digestbot.db"]
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    move_to(old.parent / "new", arxiv, smtp)
    shutil.copy(old / "digestbot.db", ".")
    before = subjects(smtp, "a@example.org")
    assert bot("run", "--now", at=NOW + DAY + timedelta(hours=1)).code == 0
    assert subjects(smtp, "a@example.org") == before
