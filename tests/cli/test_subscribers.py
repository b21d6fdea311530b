"""`subscribers`: added by hand or CSV; unsubscribed readers stay unsubscribed."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Bot, a_paper, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer

OTHER = """\
  other:
    filter: {any: [erasure]}
    deliver: [{folder: out}]
"""


@pytest.fixture(autouse=True)
def config(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    """Configure two digests, with one reader of `systems` in the config."""
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: config@example.org}]", more=OTHER)


def readers(bot: Bot, *options: str) -> dict[tuple[str, str], str]:
    """Return the state by digest and email address."""
    called = bot("subscribers", "list", "--json", *options)
    assert called.code == 0
    return {
        (s["digest"], s["address"]): s["state"]
        for s in json.loads(called.out)
        if s["kind"] == "email"
    }


def delivered_to(smtp: SmtpServer) -> set[str]:
    return {recipient for message in smtp.messages for recipient in message.recipients}


def test_added_and_configured_subscribers_are_equal(bot: Bot, smtp: SmtpServer) -> None:
    added = bot("subscribers", "add", "systems", "a@example.org", "b@example.org", "--name", "Ana")
    assert (added.code, added.out) == (0, "2 subscribed to systems\n")
    assert readers(bot, "systems") == dict.fromkeys(
        (("systems", f"{name}@example.org") for name in ("config", "a", "b")), "confirmed"
    )
    table = bot("subscribers").out
    assert table == bot("subscribers", "list").out
    assert "email:a@example.org" in table
    assert "Ana" in table
    assert bot("run").code == 0
    assert delivered_to(smtp) == {"config@example.org", "a@example.org", "b@example.org"}


def test_adding_twice_changes_nothing(bot: Bot) -> None:
    for _ in range(2):
        assert bot("subscribers", "add", "systems", "A@example.org").code == 0
    assert bot("subscribers", "add", "systems", "a@EXAMPLE.org").code == 0
    assert len(readers(bot, "systems")) == 2


def test_one_invalid_address_adds_none(bot: Bot) -> None:
    called = bot("subscribers", "add", "systems", "good@example.org", "bad")
    assert called.code == 2
    assert '"bad"' in called.err
    assert ("systems", "good@example.org") not in readers(bot)


def test_remove_from_one_digest_keeps_the_others(bot: Bot) -> None:
    for digest in ("systems", "other"):
        bot("subscribers", "add", digest, "a@example.org")
    called = bot("subscribers", "remove", "a@example.org", "--digest", "other")
    assert (called.code, called.out) == (0, "unsubscribed from 1 digest\n")
    assert ("other", "a@example.org") not in readers(bot)
    assert readers(bot, "--all")["other", "a@example.org"] == "unsubscribed"
    assert readers(bot)["systems", "a@example.org"] == "confirmed"
    again = bot("subscribers", "remove", "a@example.org", "--digest", "other")
    assert again.code == 1
    assert "a@example.org is not subscribed to other" in again.err


def test_remove_from_all_suppresses_until_lifted(bot: Bot, smtp: SmtpServer) -> None:
    bot("subscribers", "add", "systems", "a@example.org")
    called = bot("subscribers", "remove", "A@Example.org")
    assert called.code == 0
    assert "unsubscribed from 1 digest; the address is now suppressed" in called.out
    refused = bot("subscribers", "add", "systems", "a@example.org")
    assert refused.code == 2
    assert "a@example.org is suppressed: it unsubscribed, complained or bounced" in refused.err
    bot("run")
    assert delivered_to(smtp) == {"config@example.org"}
    assert bot("subscribers", "add", "systems", "a@example.org", "--lift").code == 0
    assert readers(bot)["systems", "a@example.org"] == "confirmed"


@pytest.mark.parametrize("options", [(), ("--digest", "systems")], ids=["all", "one"])
def test_config_does_not_resubscribe(bot: Bot, smtp: SmtpServer, options: tuple[str, ...]) -> None:
    assert bot("subscribers", "remove", "config@example.org", *options).code == 0
    assert ("systems", "config@example.org") not in readers(bot)
    assert bot("run").code == 0
    assert smtp.messages == []


def test_unsubscribing_cancels_queued_deliveries(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    smtp.faults = [("RCPT", "450 4.2.0 later")]
    bot("run")
    bot("subscribers", "remove", "config@example.org")
    assert bot("run", at=NOW + timedelta(hours=1)).code == 0
    assert smtp.messages == []
    (delivery,) = json.loads(bot("deliveries", "--json", "list", "--digest", "systems").out)
    assert delivery["state"] == "cancelled"


def test_address_can_return_to_the_config(bot: Bot, smtp: SmtpServer) -> None:
    bot("run")
    path = Path("config.yaml")
    before = path.read_text()
    path.write_text(before.replace("[{email: config@example.org}]", "[]"))
    assert ("systems", "config@example.org") not in readers(bot)
    path.write_text(before)
    assert readers(bot)["systems", "config@example.org"] == "confirmed"


def test_export_can_be_imported_elsewhere(bot: Bot, arxiv: ArxivServer) -> None:
    bot("subscribers", "add", "systems", "a@example.org", "--name", '=Ana, "the" 1st')
    bot("subscribers", "add", "other", "b@example.org")
    bot("subscribers", "add", "other", "gone@example.org")
    bot("subscribers", "remove", "gone@example.org", "--digest", "other")
    called = bot("subscribers", "export", "--out", "readers.csv")
    assert (called.code, called.out) == (0, "")
    assert "3 subscribers written to readers.csv" in called.err
    exported = Path("readers.csv").read_text()
    assert bot("subscribers", "export").out == exported
    assert "gone@example.org" not in exported
    Path("config.yaml").write_text(
        Path("config.yaml").read_text() + "store: sqlite:///elsewhere.db\n"
    )
    called = bot("subscribers", "import", "readers.csv")
    columns = "columns: digest, email, name, state; ignored: since\n"
    assert (called.code, called.out) == (0, f"{columns}3 added, 0 already subscribed\n")
    called = bot("subscribers", "import", "-", stdin=exported)
    assert called.out == f"{columns}0 added, 3 already subscribed\n"
    again = bot("subscribers", "export").out
    assert sorted(again.splitlines()) == sorted(exported.splitlines())


def test_export_of_one_digest(bot: Bot) -> None:
    bot("subscribers", "add", "other", "b@example.org")
    lines = bot("subscribers", "export", "other").out.splitlines()
    assert lines == [
        "digest,email,name,state,since",
        "other,b@example.org,,confirmed,2026-11-23T08:00:00Z",
    ]


def test_invalid_rows_are_reported_and_others_imported(bot: Bot) -> None:
    bot("subscribers", "remove", "gone@example.org")
    Path("readers.csv").write_text(
        "email,digest\n"
        "good@example.org,systems\n"
        "bad,systems\n"
        "b@example.org,no-such\n"
        "gone@example.org,systems\n"
        "\n"
        "short\n"
        '"two@example.org, three@example.org",systems\n'
        "last@example.org,other,more,columns\n"
    )
    called = bot("subscribers", "import", "readers.csv")
    assert called.code == 1
    assert called.out == "columns: email, digest\n2 added, 0 already subscribed, 5 left out\n"
    places = [line.split(": ")[:2] for line in called.err.splitlines()]
    assert places == [["readers.csv", f"line {number}"] for number in (3, 4, 5, 7, 8)]
    assert ("systems", "good@example.org") in readers(bot)
    assert ("other", "last@example.org") in readers(bot)


def test_import_does_not_resubscribe(bot: Bot) -> None:
    bot("subscribers", "add", "other", "a@example.org")
    exported = bot("subscribers", "export").out
    bot("subscribers", "remove", "a@example.org", "--digest", "other")
    called = bot("subscribers", "import", "-", stdin=exported)
    assert called.code == 1
    assert "a@example.org has unsubscribed from other; if its owner asks" in called.err
    assert ("other", "a@example.org") not in readers(bot)
    assert bot("subscribers", "add", "other", "a@example.org").code == 0
    assert readers(bot)["other", "a@example.org"] == "confirmed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nAna\n", "the first line must name the columns; missing: digest, email"),
        ("", "the first line must name the columns; missing: digest, email"),
        (f'email,digest\n"{"x" * 200_000},systems\n', "line 2: a quote is not closed"),
        ("email,digest,Email\na@x.org,systems,\n", 'the column "email" more than once'),
    ],
    ids=["other columns", "empty", "a quote that never ends", "a column twice"],
)
def test_import_of_another_file_exits_2(bot: Bot, text: str, message: str) -> None:
    called = bot("subscribers", "import", "-", stdin=text)
    assert (called.code, called.out) == (2, "")
    assert message in called.err


def test_import_reports_in_json(bot: Bot) -> None:
    text = "email,phone\na@example.org,1\nbad,2\n"
    called = bot("--json", "subscribers", "import", "-", "--digest", "other", stdin=text)
    assert json.loads(called.out) == {
        "columns": {"used": ["email"], "ignored": ["phone"]},
        "added": 1,
        "known": 0,
        "changed": 0,
        "unchanged": 0,
        "invalid": 1,
        "problems": ['line 3: "bad" is not an email address; write name@domain'],
    }


def test_import_requires_utf8(bot: Bot) -> None:
    Path("readers.csv").write_bytes(
        "email,digest,name\na@example.org,systems,José\n".encode("latin-1")
    )
    called = bot("subscribers", "import", "readers.csv")
    assert called.code == 2
    assert "readers.csv: not UTF-8; save the file as UTF-8" in called.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("list", "no-such"), 'no digest "no-such"'),
        (("add", "no-such", "a@example.org"), 'no digest "no-such"'),
        (("remove", "a@example.org", "--digest", "no-such"), 'no digest "no-such"'),
        (("remove", "invalid"), '"invalid"'),
        (("import", "no-such.csv"), "cannot read no-such.csv"),
        (("import", "-", "--digest", "no-such"), 'no digest "no-such"'),
        (("export", "no-such"), 'no digest "no-such"'),
        (("export", "--out", "no-such/readers.csv"), "cannot write no-such/readers.csv"),
    ],
)
def test_invalid_arguments_exit_2(bot: Bot, options: tuple[str, ...], message: str) -> None:
    called = bot("subscribers", *options)
    assert (called.code, called.out) == (2, "")
    assert message in called.err


def test_new_subscriber_gets_the_next_edition(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    bot("run")
    bot("subscribers", "add", "systems", "late@example.org")
    assert bot("run", at=NOW + timedelta(minutes=5)).code == 0
    assert delivered_to(smtp) == {"config@example.org"}
    arxiv.papers.append(a_paper(9, "Serverless News", published=NOW, updated=NOW))
    bot("run", at=NOW + timedelta(days=1))
    assert delivered_to(smtp) == {"config@example.org", "late@example.org"}
