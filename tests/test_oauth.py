"""XOAUTH2: sources, lifetime and secrecy of access tokens."""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from digestbot.deliver.smtp_sender import SmtpSender
from digestbot.deliver.smtp_settings import SmtpSettings
from digestbot.errors import DeliveryError, Misconfigured, TransientFailure
from digestbot.model import DestinationKind
from digestbot.oauth import OauthSettings, TokenSource
from digestbot.secret import Secret
from tests.deliver.smtp_client import EML
from tests.servers.outgoing import Notes, make_outgoing
from tests.servers.smtp import Certificates, SmtpServer, make_certificates
from tests.servers.web import Reply, WebServer

TOKEN, REFRESH, CLIENT_SECRET = "pl4nted-access", "pl4nted-refresh", "pl4nted-client"


def granted(token: str = TOKEN, **more: Any) -> Reply:
    answer = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
    return Reply(body=json.dumps(answer | more).encode())


def refreshing(url: str, **more: Any) -> OauthSettings:
    return OauthSettings(
        refresh_token=Secret(REFRESH),
        client_id="me",
        client_secret=Secret(CLIENT_SECRET),
        url=url,
        **more,
    )


def tokens(settings: OauthSettings, *, count: int = 1) -> list[str]:
    """Request *count* tokens at once, then one more."""

    async def ask() -> list[str]:
        source = TokenSource(settings)
        found = await asyncio.gather(*(source.token() for _ in range(count)))
        return [token.reveal() for token in (*found, await source.token())]

    return asyncio.run(ask())


def test_token_is_requested_once_and_kept() -> None:
    with WebServer.of(granted()) as web:
        assert tokens(refreshing(f"{web.url}/token", scope="mail"), count=3) == [TOKEN] * 4
    (request,) = web.requests
    assert (request.method, request.path) == ("POST", "/token")
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": [REFRESH],
        "client_id": ["me"],
        "client_secret": [CLIENT_SECRET],
        "scope": ["mail"],
    }


@pytest.mark.parametrize("life_s", [0, 60, "soon"])
def test_token_near_expiry_is_replaced(life_s: object) -> None:
    first = granted("pl4nted-1", expires_in=life_s, refresh_token="pl4nted-next")
    with WebServer.of(first, granted("pl4nted-2")) as web:
        kept = life_s == "soon"  # without a valid expires_in: five minutes
        assert tokens(refreshing(web.url)) == ["pl4nted-1", "pl4nted-1" if kept else "pl4nted-2"]
    if not kept:
        assert parse_qs(web.requests[1].body.decode())["refresh_token"] == ["pl4nted-next"]


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (
            Reply(status=400, body=b'{"error": "invalid_grant", "error_description": "pl4nted"}'),
            Misconfigured,
            'refused: 400 invalid_grant; check "oauth"',
        ),
        (Reply(status=401, body=b'{"error": "<pl4nted-access>"}'), Misconfigured, "refused: 401;"),
        (Reply(status=302, headers={"Location": "http://127.0.0.1:9/"}), Misconfigured, "302"),
        (Reply(status=503), TransientFailure, "failed: 503"),
        (Reply(status=429, body=b"{}"), TransientFailure, "failed: 429"),
        (Reply(body=b"<html>pl4nted"), TransientFailure, "responded without an access token"),
        (Reply(body=b'{"access_token": "a b"}'), TransientFailure, "without an access token"),
        (Reply(body=b'["pl4nted"]'), TransientFailure, "responded without an access token"),
        (Reply(body=b"{" + b" " * 70_000), TransientFailure, "did not respond: "),
        (Reply(reset=True), TransientFailure, "did not respond: "),
    ],
)
def test_provider_errors_contain_no_secret(
    reply: Reply, kind: type[DeliveryError], words: str
) -> None:
    with WebServer.of(reply) as web, pytest.raises(kind) as caught:
        tokens(refreshing(web.url))
    assert words in str(caught.value)
    assert "pl4nted" not in str(caught.value)
    assert caught.value.__cause__ is None


def command(code: str) -> OauthSettings:
    return OauthSettings(token_command=f'{sys.executable} -c "{code}"')


def test_command_runs_before_every_connection(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"open('{log}', 'a').write('x'); print('{TOKEN}'); print('more')"
    assert tokens(command(code)) == [TOKEN, TOKEN]
    assert log.read_text() == "xx"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (command(f"print('{TOKEN}'); exit(3)"), "failed with exit code 3"),
        (command("pass"), "printed no token"),
        (command("print('two words')"), "printed no token"),
        (OauthSettings(token_command="/no/such/command"), "cannot be run: No such file"),
        (OauthSettings(token_command="'"), "cannot be run: no command"),
        (OauthSettings(token_command=" "), "cannot be run: no command"),
    ],
)
def test_failed_command_is_reported(settings: OauthSettings, words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        tokens(settings)
    assert str(caught.value).startswith(f'"oauth.token_command" {words}')


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return make_certificates()


Settings = Callable[..., SmtpSettings]


@pytest.fixture
def settings(certificates: Certificates, tmp_path: Path) -> Settings:
    """Return a factory of settings for a server that requires a token."""
    ca_file = tmp_path / "ca.pem"
    certificates.authority.cert_pem.write_to_path(str(ca_file))

    def make(server: SmtpServer, oauth: OauthSettings, **more: Any) -> SmtpSettings:
        options: dict[str, Any] = {
            "host": "localhost",
            "port": server.port,
            "security": "starttls",
            "username": "me@example.org",
            "sender": "Digests <digests@example.org>",
            "ca_file": str(ca_file),
            "oauth": oauth,
            "timeout": timedelta(seconds=30),
        }
        return SmtpSettings(**options | more)

    return make


def send(settings: SmtpSettings, *, count: int = 1) -> None:
    """Send *count* mails one after another."""
    message = make_outgoing(
        DestinationKind.EMAIL, "reader@example.org", {}, message=EML.encode("ascii")
    )

    async def go() -> None:
        sender = SmtpSender(settings)
        try:
            for _ in range(count):
                await sender.send(message, Notes())
        finally:
            await sender.close()

    asyncio.run(go())


def test_login_by_token_is_once_per_connection(
    certificates: Certificates, settings: Settings
) -> None:
    with (
        WebServer.of(granted()) as web,
        SmtpServer(starttls=certificates.server, tokens={"me@example.org": TOKEN}) as server,
    ):
        send(settings(server, refreshing(web.url), messages_per_connection=2), count=4)
    assert [taken.over_tls for taken in server.messages] == [True] * 4
    assert (server.connections, server.commands.count("AUTH")) == (2, 2)
    assert len(web.requests) == 1


def test_refused_token_is_discarded(certificates: Certificates, settings: Settings) -> None:
    with (
        WebServer.of(granted("pl4nted-old"), granted()) as web,
        SmtpServer(starttls=certificates.server, tokens={"me@example.org": TOKEN}) as server,
    ):

        async def twice() -> str:
            sender = SmtpSender(settings(server, refreshing(web.url)))
            try:
                await sender.check(())
            except Misconfigured as error:
                await sender.check(())
                return str(error)
            finally:
                await sender.close()
            return ""

        text = asyncio.run(twice())
    assert server.commands.count("EMPTY") == 1
    assert len(web.requests) == 2
    assert text.startswith("the mail server refused the login: 535 5.7.8 not")
    assert "pl4nted" not in text
    assert 'check "smtp" in the config' in text


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"security": "none", "insecure": True},
            "without TLS anyone on the way could use the access token",
        ),
        ({"security": "none"}, "without TLS anyone on the way could use the access token"),
    ],
)
def test_token_is_never_sent_without_tls(
    settings: Settings, more: dict[str, Any], words: str
) -> None:
    with (
        WebServer.of(granted()) as web,
        SmtpServer(tokens={"me@example.org": TOKEN}, clear_logins=True) as server,
    ):
        with pytest.raises(Misconfigured, match=words):
            send(settings(server, refreshing(web.url), **more))
        assert (server.connections, web.requests) == (0, [])


def test_server_without_xoauth2_is_reported(certificates: Certificates, settings: Settings) -> None:
    with SmtpServer(starttls=certificates.server, logins={"me": "x"}) as server:
        with pytest.raises(Misconfigured, match="does not offer XOAUTH2"):
            send(settings(server, OauthSettings(token=Secret(TOKEN))))
        assert "AUTH" not in server.commands


def test_token_of_the_config_is_used(certificates: Certificates, settings: Settings) -> None:
    tokens = {"me@example.org": TOKEN}
    with SmtpServer(implicit_tls=certificates.server, tokens=tokens) as server:
        send(settings(server, OauthSettings(token=Secret(TOKEN)), security="tls"))
    assert len(server.messages) == 1
