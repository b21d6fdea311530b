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


MARKED = "pl4nted-value"
TEXT_KEYS = re.compile(
    r"^(?P<lead>[ -]*(?P<key>\w+): )(?P<value>[^\s#{\[&|>][^#]*?)(?P<rest> *#.*)?$"
)
EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def lines_with_values() -> Iterator[tuple[int, str]]:
    """Yield the lines of the example, commented keys included, that give a key a single value."""
    for number, line in enumerate(EXAMPLE.read_text(encoding="utf-8").splitlines()):
        bare = re.sub(r"^( *)# (?=[ ]*\w+: )", r"\1", line)
        if TEXT_KEYS.match(bare) and not re.match(r"^ *\w+: +\w+ [a-z]+ ", bare):
            yield number, bare


@pytest.mark.parametrize(
    ("number", "line"), [pytest.param(n, line, id=f"{n + 1}") for n, line in lines_with_values()]
)
def test_every_key_of_the_example_hides_what_fills_it(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, number: int, line: str
) -> None:
    """`check` and `status` with one value from the environment, valid there or not."""
    for name in ("SMTP_PASSWORD", "SLACK_BOT_TOKEN"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.example.org/services/any")
    monkeypatch.setenv("FILLING", MARKED)
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    lines[number] = TEXT_KEYS.sub(r'\g<lead>"${FILLING}"', line)
    Path("config.yaml").write_text("\n".join(lines), encoding="utf-8")
    for option in ("-vv", "--json"):
        for command in ("check", "status"):
            called = bot(command, option)
            assert not shows_a_secret(called.out + called.err)
            assert "a bug" not in called.err
    stored = [path.read_bytes() for path in Path().glob("digestbot.db*")]
    assert not any(MARKED.encode() in content for content in stored)


FILLED_PATHS = """\
sources:
  secret-path: {kind: feed, url: "${FEED_URL}", interval: 0s}
  secret-segment: {kind: feed, url: "URL/${SEGMENT}/feed", interval: 0s}
  arxiv: {kind: arxiv, categories: [cs.DC], url: "URL/${SEGMENT}/api", interval: 0s}
smtp: {host: 127.0.0.1, port: 1, security: none, sender: "Bot <bot@example.org>",
  username: "${SMTP_USER}", password: "${SEGMENT}", insecure: true}
slack: {token: "${SEGMENT}", url: "URL/${SEGMENT}/"}
digests:
  systems:
    title: Systems
    deliver:
      - email: reader@example.org
      - slack: "#papers"
      - webhook: "URL/${SEGMENT}/hook"
      - webhook: "${FEED_URL}"
"""


@pytest.mark.parametrize("option", ["-vv", "--json"])
@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=401, body=b"pl4nted-segment is unknown"),
        Reply(status=500, body=b"no pl4nted-segment"),
        Reply(status=302, headers={"Location": "/pl4nted-segment/elsewhere"}),
        Reply(body=b"<html><title>pl4nted-segment</title></html>"),
    ],
    ids=["401", "500", "302", "a page"],
)
def test_filled_parts_of_urls_are_hidden(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, option: str, reply: Reply
) -> None:
    with WebServer.of(*[reply] * 200) as web:
        monkeypatch.setenv("FEED_URL", f"{web.url}/pl4nted-path/pl4nted?key=pl4nted")
        monkeypatch.setenv("SEGMENT", "pl4nted-segment")
        monkeypatch.setenv("SMTP_USER", "pl4nted-user")
        Path("config.yaml").write_text(FILLED_PATHS.replace("URL/", f"{web.url}/"))
        for number, command in enumerate(COMMANDS):
            called = bot(*command, option, at=NOW + timedelta(hours=number))
            assert not shows_a_secret(called.out + called.err), command
            assert "a bug" not in called.err, command
        assert "***" in bot("status").out
    written = [p for p in Path().rglob("*") if p.is_file() and p.name != "config.yaml"]
    assert not [p for p in written if b"pl4nted" in p.read_bytes()]


@pytest.mark.parametrize(
    "store",
    [
        "postgresql://${PART}@127.0.0.1:9/digests",
        "postgresql://me@127.0.0.1:9/${PART}",
        "postgresql://me@127.0.0.1:9/digests?application_name=${PART}",
        "postgresql://me@127.0.0.1:9/digests?sslmode=${PART}",
        "postgresql://me@127.0.0.1:9/digests?${PART}=1",
        "postgresql://me@127.0.0.1:${PART}/digests",
        "postgresql://me@/digests?host=/no/such/${PART}",
        "${PART}://me@127.0.0.1:9/digests",
        "sqlite:///no-such-${PART}/digestbot.db",
        "${STORE}",
    ],
)
@pytest.mark.parametrize("command", ["check", "status", "run"])
def test_filled_parts_of_the_store_are_hidden(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, store: str, command: str
) -> None:
    monkeypatch.setenv("PART", "pl4nted_part")
    monkeypatch.setenv("STORE", "postgresql://pl4nted@127.0.0.1:9/pl4nted?options=pl4nted")
    configure("http://127.0.0.1:9/", top=f'store: "{store}"')
    called = bot(command, "-vv")
    assert called.code in {1, 2}
    assert not shows_a_secret(called.out + called.err)
    assert "a bug" not in called.err


def test_tracebacks_in_files_hide_secrets(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise KeyError("pl4nted-value")

    monkeypatch.setenv("FILLING", MARKED)
    monkeypatch.setattr("digestbot.cli.fetch.fetch", broken)
    configure("http://127.0.0.1:9/${FILLING}")
    called = bot("fetch")
    assert "(a bug)" in called.err
    text = Path(called.err.split()[-1]).read_text()
    assert "KeyError: '***'" in text
