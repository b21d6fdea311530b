"""`subscribers`: readers by hand and as CSV; who left stays out."""

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
    """Two digests; one reader of `systems` stands in the config."""
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: config@example.org}]", more=OTHER)


def readers(bot: Bot, *options: str) -> dict[tuple[str, str], str]:
    """State by digest and mail address."""
    called = bot("subscribers", "list", "--json", *options)
    assert called.code == 0
    return {
        (s["digest"], s["address"]): s["state"]
        for s in json.loads(called.out)
        if s["kind"] == "email"
    }


def delivered_to(smtp: SmtpServer) -> set[str]:
    return {recipient for message in smtp.messages for recipient in message.recipients}


def test_the_config_and_the_command_make_the_same_thing(bot: Bot, smtp: SmtpServer) -> None:
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


def test_one_bad_address_and_nobody_is_added(bot: Bot) -> None:
    called = bot("subscribers", "add", "systems", "good@example.org", "bad")
    assert called.code == 2
    assert '"bad"' in called.err
    assert ("systems", "good@example.org") not in readers(bot)


def test_who_leaves_one_digest_keeps_the_other(bot: Bot) -> None:
    for digest in ("systems", "other"):
        bot("subscribers", "add", digest, "a@example.org")
    called = bot("subscribers", "remove", "a@example.org", "--digest", "other")
    assert (called.code, called.out) == (0, "unsubscribed from 1 digest\n")
    assert ("other", "a@example.org") not in readers(bot)
    assert readers(bot, "--all")["other", "a@example.org"] == "unsubscribed"
    assert readers(bot)["systems", "a@example.org"] == "confirmed"
    again = bot("subscribers", "remove", "a@example.org", "--digest", "other")
    assert again.code == 1
    assert "a@example.org does not get other" in again.err


def test_who_leaves_all_gets_nothing_any_more_until_it_is_lifted(
    bot: Bot, smtp: SmtpServer
) -> None:
    bot("subscribers", "add", "systems", "a@example.org")
    called = bot("subscribers", "remove", "A@Example.org")
    assert called.code == 0
    assert "unsubscribed from 1 digest; the address is suppressed" in called.out
    refused = bot("subscribers", "add", "systems", "a@example.org")
    assert refused.code == 2
    assert "a@example.org is suppressed: it unsubscribed, complained or bounced" in refused.err
    bot("run")
    assert delivered_to(smtp) == {"config@example.org"}
    assert bot("subscribers", "add", "systems", "a@example.org", "--lift").code == 0
    assert readers(bot)["systems", "a@example.org"] == "confirmed"


@pytest.mark.parametrize("options", [(), ("--digest", "systems")], ids=["all", "one"])
def test_the_config_does_not_bring_back_who_left(
    bot: Bot, smtp: SmtpServer, options: tuple[str, ...]
) -> None:
    assert bot("subscribers", "remove", "config@example.org", *options).code == 0
    assert ("systems", "config@example.org") not in readers(bot)
    assert bot("run").code == 0
    assert smtp.messages == []


def test_who_left_gets_not_even_what_was_queued(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    smtp.faults = [("RCPT", "450 4.2.0 later")]
    bot("run")
    bot("subscribers", "remove", "config@example.org")
    assert bot("run", at=NOW + timedelta(hours=1)).code == 0
    assert smtp.messages == []
    (delivery,) = json.loads(bot("deliveries", "--json", "list", "--digest", "systems").out)
    assert delivery["state"] == "cancelled"


def test_who_is_taken_out_of_the_config_may_come_back(bot: Bot, smtp: SmtpServer) -> None:
    bot("run")
    path = Path("config.yaml")
    before = path.read_text()
    path.write_text(before.replace("[{email: config@example.org}]", "[]"))
    assert ("systems", "config@example.org") not in readers(bot)
    path.write_text(before)
    assert readers(bot)["systems", "config@example.org"] == "confirmed"


def test_what_was_exported_can_be_imported_elsewhere(bot: Bot, arxiv: ArxivServer) -> None:
    bot("subscribers", "add", "systems", "a@example.org", "--name", '=Ana, "the" 1st')
    bot("subscribers", "add", "other", "b@example.org")
    bot("subscribers", "add", "other", "gone@example.org")
    bot("subscribers", "remove", "gone@example.org", "--digest", "other")
    called = bot("subscribers", "export", "--out", "readers.csv")
    assert (called.code, called.out) == (0, "")
    assert "3 readers written to readers.csv" in called.err
    exported = Path("readers.csv").read_text()
    assert bot("subscribers", "export").out == exported
    assert "gone@example.org" not in exported
    Path("config.yaml").write_text(
        Path("config.yaml").read_text() + "store: sqlite:///elsewhere.db\n"
    )
    called = bot("subscribers", "import", "readers.csv")
    assert (called.code, called.out) == (0, "3 added, 0 known before\n")
    assert bot("subscribers", "import", "-", stdin=exported).out == "0 added, 3 known before\n"
    again = bot("subscribers", "export").out
    assert sorted(again.splitlines()) == sorted(exported.splitlines())


def test_export_of_one_digest(bot: Bot) -> None:
    bot("subscribers", "add", "other", "b@example.org")
    lines = bot("subscribers", "export", "other").out.splitlines()
    assert lines == [
        "digest,email,name,state,since",
        "other,b@example.org,,confirmed,2026-11-23T08:00:00Z",
    ]


def test_bad_rows_are_told_of_and_the_others_go_in(bot: Bot) -> None:
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
    assert called.out == "2 added, 0 known before\n"
    places = [line.split(": ")[:2] for line in called.err.splitlines()]
    assert places == [["readers.csv", f"line {number}"] for number in (3, 4, 5, 7, 8)]
    assert ("systems", "good@example.org") in readers(bot)
    assert ("other", "last@example.org") in readers(bot)


def test_a_file_does_not_bring_back_who_left_one_digest(bot: Bot) -> None:
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
    ("text", "words"),
    [
        ("name\nAna\n", "the first line must name the columns; missing: digest, email"),
        ("", "the first line must name the columns; missing: digest, email"),
        (f'email,digest\n"{"x" * 200_000}",systems\n', "invalid CSV after line 1: "),
    ],
    ids=["other columns", "empty", "a quote that never ends"],
)
def test_a_file_that_is_no_list_of_readers_is_bad_usage(bot: Bot, text: str, words: str) -> None:
    called = bot("subscribers", "import", "-", stdin=text)
    assert (called.code, called.out) == (2, "")
    assert words in called.err


def test_a_file_in_another_encoding_is_bad_usage(bot: Bot) -> None:
    Path("readers.csv").write_bytes(
        "email,digest,name\na@example.org,systems,José\n".encode("latin-1")
    )
    called = bot("subscribers", "import", "readers.csv")
    assert called.code == 2
    assert "readers.csv is not UTF-8: save it as UTF-8" in called.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("list", "no-such"), 'no digest "no-such"'),
        (("add", "no-such", "a@example.org"), 'no digest "no-such"'),
        (("remove", "a@example.org", "--digest", "no-such"), 'no digest "no-such"'),
        (("remove", "nobody"), '"nobody"'),
        (("import", "no-such.csv"), "cannot read no-such.csv"),
        (("import", "-", "--digest", "no-such"), 'no digest "no-such"'),
        (("export", "no-such"), 'no digest "no-such"'),
        (("export", "--out", "no-such/readers.csv"), "cannot write no-such/readers.csv"),
    ],
)
def test_bad_usage(bot: Bot, options: tuple[str, ...], words: str) -> None:
    called = bot("subscribers", *options)
    assert (called.code, called.out) == (2, "")
    assert words in called.err


def test_a_new_reader_gets_the_next_edition_only(
    bot: Bot, arxiv: ArxivServer, smtp: SmtpServer
) -> None:
    bot("run")
    bot("subscribers", "add", "systems", "late@example.org")
    assert bot("run", at=NOW + timedelta(minutes=5)).code == 0
    assert delivered_to(smtp) == {"config@example.org"}
    arxiv.papers.append(a_paper(9, "Serverless News", published=NOW, updated=NOW))
    bot("run", at=NOW + timedelta(days=1))
    assert delivered_to(smtp) == {"config@example.org", "late@example.org"}
