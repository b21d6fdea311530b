"""`suppressions`: addresses that get no email, and their CSV form."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Bot, configure, smtp_keys
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer
from tests.servers.smtp import SmtpServer


@pytest.fixture(autouse=True)
def config(bot: Bot, arxiv: ArxivServer, smtp: SmtpServer) -> None:
    configure(arxiv.url, top=smtp_keys(smtp), deliver="[{email: [a@example.org, b@example.org]}]")


def listed(bot: Bot) -> dict[str, str]:
    """Return the reason by address."""
    called = bot("suppressions", "--json")
    assert called.code == 0
    return {s["address"]: s["reason"] for s in json.loads(called.out)}


def test_list_is_empty_at_first(bot: Bot) -> None:
    assert bot("suppressions").out == "no suppressed addresses\n"
    assert bot("suppressions", "export").out == "email,reason,since\n"


def test_suppressed_address_gets_no_email(bot: Bot, smtp: SmtpServer) -> None:
    added = bot("suppressions", "add", "A@Example.org", "c@example.org", "--reason", "left the lab")
    assert (added.code, added.out) == (0, "2 suppressed, 0 already suppressed\n")
    assert bot("suppressions", "add", "a@example.org").out == "0 suppressed, 1 already suppressed\n"
    assert listed(bot) == {"a@example.org": "left the lab", "c@example.org": "left the lab"}
    assert "a@example.org  2026-11-23 08:00  left the lab" in bot("suppressions", "list").out
    assert bot("run").code == 0
    assert [m.recipients for m in smtp.messages] == [("b@example.org",)]


def test_one_invalid_address_adds_none(bot: Bot) -> None:
    called = bot("suppressions", "add", "a@example.org", "bad")
    assert (called.code, called.err) == (2, '"bad" is not an email address; write name@domain\n')
    assert listed(bot) == {}


def test_lifted_address_gets_the_next_edition(bot: Bot, smtp: SmtpServer) -> None:
    bot("suppressions", "add", "a@example.org")
    assert bot("suppressions", "remove", "A@example.org").out == "1 no longer suppressed\n"
    again = bot("suppressions", "remove", "a@example.org")
    assert (again.code, again.err) == (1, "digestbot: already not suppressed: a@example.org\n")
    assert bot("run").code == 0
    assert len(smtp.messages) == 2


def test_export_and_import_round_trip(bot: Bot) -> None:
    bot("suppressions", "add", "a@example.org", "--reason", "=HYPERLINK(1), and more")
    bot("suppressions", "add", "b@example.org", at=NOW + timedelta(days=1))
    assert bot("suppressions", "export", "--out", "list.csv").code == 0
    before = bot("suppressions", "list", "--json").out
    assert "'=HYPERLINK" in Path("list.csv").read_text()
    bot("suppressions", "remove", "a@example.org", "b@example.org")
    called = bot("suppressions", "import", "list.csv", at=NOW + timedelta(days=9))
    assert (called.code, called.out) == (
        0,
        "columns: email, reason, since\n2 added, 0 already suppressed\n",
    )
    assert bot("suppressions", "list", "--json").out == before
    assert (
        bot("suppressions", "import", "list.csv").out
        == "columns: email, reason, since\n0 added, 2 already suppressed\n"
    )


def test_foreign_csv_is_imported_row_by_row(bot: Bot) -> None:
    bot("suppressions", "add", "a@example.org", "--reason", "mine")
    rows = (
        "Email;Since\na@example.org;\nno mail;\nc@example.org;yesterday\nd@example.org;2026-01-02"
    )
    called = bot("suppressions", "import", "-", stdin=rows)
    assert (called.code, called.out) == (
        1,
        "columns: email, since\n1 added, 1 already suppressed, 2 left out\n",
    )
    assert called.err.splitlines() == [
        '-: line 3: "no mail" is not an email address; write name@domain',
        '-: line 4: "yesterday" is not a date; write 2026-11-23T08:00:00Z',
    ]
    assert listed(bot) == {"a@example.org": "mine", "d@example.org": "imported"}
    assert bot("suppressions", "import", "-", stdin="name\nAda\n").code == 2
