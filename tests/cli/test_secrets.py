"""No command prints a secret of the config, not even in errors."""

import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digestbot.deliver.verp import token
from tests.cli.conftest import Bot, configure, smtp_keys
from tests.factories import NOW
from tests.planted import MARK, shows_a_secret
from tests.servers.arxiv import ArxivServer
from tests.servers.slack import SlackServer
from tests.servers.smtp import SmtpServer
from tests.servers.web import Reply, WebServer

SECRETS = {
    "MAIL_PASSWORD": "pl4nted-passw0rd",
    "BOT_TOKEN": "xoxb-pl4nted-token",
    "HOOK": "pl4nted-hook",
    "FEED_KEY": "pl4nted-key",
    "DATABASE_PASSWORD": "pl4nted-database",
    "SIGNING_KEY": "pl4nted-signing-key",
    "IMAP_PASSWORD": "pl4nted-imap",
    "REFRESH_TOKEN": "pl4nted-refresh",
    "CLIENT_SECRET": "pl4nted-client",
}
COMMANDS = (
    ("check",),
    ("check", "--connect"),
    ("fetch",),
    ("preview", "systems"),
    ("preview", "systems", "--format", "eml"),
    ("explain", "systems", "2611.00004"),
    ("run", "--now"),
    ("status",),
    ("editions",),
    ("editions", "show", "systems/1", "--format", "html"),
    ("deliveries",),
    ("deliveries", "show", "1"),
    ("deliveries", "show", "2"),
    ("deliveries", "show", "3"),
    ("deliveries", "retry", "--all"),
    ("deliveries", "release"),
    ("deliveries", "export", "-"),
    ("explain", "--sent-to", "r@example.org", "2611.00004"),
    ("bounces",),
    ("suppressions",),
    ("subscribers", "list"),
    ("subscribers", "export"),
    ("schema",),
    ("status", "--no-such-option"),
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)


@pytest.fixture
def refusing(bot: Bot, arxiv: ArxivServer) -> Iterator[None]:
    """Use every secret in a config, with servers that refuse all of them."""
    with (
        SmtpServer(logins={"me": "another"}, clear_logins=True) as smtp,
        SlackServer() as slack,
        WebServer.of(Reply(status=401, body=b"who are you?")) as web,
    ):
        login = (
            'security: none, insecure: true, username: me, password: "${MAIL_PASSWORD}",'
            ' envelope_from: "bounces+{token}@example.org", secret: "${SIGNING_KEY}"'
        )
        imap = f'imap: localhost, port: {dead_port()}, username: me, password: "${{IMAP_PASSWORD}}"'
        configure(
            arxiv.url,
            top=smtp_keys(smtp).replace("security: none", login)
            + f'\nslack: {{token: "${{BOT_TOKEN}}", url: "{slack.url}"}}'
            + f"\nbounces: {{{imap}}}",
            deliver='[{email: r@example.org}, {slack: "#papers"},'
            f' {{webhook: "{slack.origin}/services/${{HOOK}}"}}]',
        )
        path = Path("config.yaml")
        feed = f'sources:\n  feed: {{kind: feed, url: "{web.url}/rss?key=${{FEED_KEY}}"}}'
        path.write_text(path.read_text().replace("sources:", feed, 1))
        yield


def dead_port() -> int:
    """Return a local port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_every_secret_has_the_mark() -> None:
    assert all(MARK in secret for secret in SECRETS.values())


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("option", ["-vv", "--json"])
def test_commands_hide_secrets(bot: Bot, option: str, tmp_path: Path) -> None:
    codes = {}
    for number, command in enumerate(COMMANDS):
        called = bot(*command, option, at=NOW + timedelta(hours=number))
        assert not shows_a_secret(called.out + called.err), command
        tokens = [token(number, SECRETS["SIGNING_KEY"]) for number in range(1, 4)]
        assert not any(each in called.out + called.err for each in tokens), command
        assert "a bug" not in called.err, command
        codes[command] = called.code
    assert codes["check", "--connect"] == codes["fetch",] == codes["run", "--now"] == 1
    assert codes["status",] == 1
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "config.yaml"]
    assert written
    assert not [p for p in written if re.search(rb"pl4nted", p.read_bytes())]


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("username: me", "usrname: me"),
        ("password: ", "pasword: "),
        ("password: ", "port: "),
        ("token: ", "interval: "),
        ('webhook: "http', 'webhook: "gopher'),
        ("email: r@example.org", "email: '${MAIL_PASSWORD}'"),
        ("schedule: daily 09:00", "schedule: ${BOT_TOKEN}"),
        ("[serverless]", "[{regex: '${HOOK}['}]"),
    ],
)
@pytest.mark.parametrize("option", ["-vv", "--json"])
def test_config_errors_hide_secrets(bot: Bot, old: str, new: str, option: str) -> None:
    path = Path("config.yaml")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    called = bot("check", option)
    assert called.code == 2
    assert "invalid YAML" not in called.err
    assert not shows_a_secret(called.out + called.err)


@pytest.mark.parametrize("option", ["-vv", "--json"])
def test_oauth_errors_hide_secrets(bot: Bot, arxiv: ArxivServer, option: str) -> None:
    response = b'{"error": "invalid_grant", "error_description": "pl4nted-refresh"}'
    with WebServer.of(Reply(status=400, body=response)) as web, SmtpServer() as smtp:
        oauth = (
            'security: starttls, username: me, oauth: {refresh_token: "${REFRESH_TOKEN}",'
            f' client_id: me, client_secret: "${{CLIENT_SECRET}}", url: "{web.url}"}}'
        )
        top = smtp_keys(smtp).replace("security: none", oauth)
        configure(arxiv.url, top=top, deliver="[{email: r@example.org}]")
        for command in (("check", "--connect"), ("run", "--now"), ("deliveries", "show", "1")):
            called = bot(*command, option)
            assert not shows_a_secret(called.out + called.err)
            assert "invalid_grant" in called.out + called.err
        assert len(web.requests) == 2


@pytest.mark.parametrize("command", ["check", "status", "run"])
def test_database_errors_hide_secrets(bot: Bot, command: str) -> None:
    configure(
        "http://127.0.0.1:9/",
        top='store: "postgresql://me:${DATABASE_PASSWORD}@127.0.0.1:9/digests?connect_timeout=2"',
    )
    called = bot(command, "-vv")
    assert called.code == 1
    assert "127.0.0.1" in called.out + called.err
    assert not shows_a_secret(called.out + called.err)
