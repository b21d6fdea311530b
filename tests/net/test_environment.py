"""Proxy and certificate variables: errors name the variable, in one line, through the real CLI."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from digestbot.net import NetworkSettingError
from tests.net.calls import get
from tests.servers.web import Reply, WebServer

FEED = (
    b'<rss version="2.0"><channel><title>J</title>'
    b"<item><guid>1</guid><title>One</title></item></channel></rss>"
)
CONFIG = """\
sources:
  journal: {{kind: feed, url: "{url}", interval: 0s}}
digests:
  all: {{schedule: daily 09:00, filter: {{any: [one]}}, deliver: [{{folder: out}}]}}
"""
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")


def fetch(folder: Path, url: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run ``digestbot fetch`` on a feed at *url* with *variables* in the environment."""
    (folder / "config.yaml").write_text(CONFIG.format(url=url), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "digestbot", "fetch"],
        cwd=folder,
        env=without_settings(os.environ) | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.lower() not in VARIABLES}


def test_fetch_succeeds_without_network_settings(tmp_path: Path) -> None:
    with WebServer.of(Reply(body=FEED)) as server:
        called = fetch(tmp_path, server.url)
    assert (called.returncode, called.stderr) == (0, "")


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        (
            "HTTPS_PROXY",
            "ftp://me:secret@proxy.example",
            'unsupported proxy scheme "ftp"; use http://, https:// or socks5://',
        ),
        ("http_proxy", "http://[::1", "invalid proxy URL; write http://host:port"),
        ("ALL_PROXY", "127.0.0.1:99999", "invalid proxy URL; write http://host:port"),
        ("NO_PROXY", "[::", "invalid host; separate hosts with commas: localhost,.example.org"),
        (
            "SSL_CERT_FILE",
            "no-such.pem",
            'cannot read certificates from "no-such.pem": No such file or directory; '
            "correct the path, or unset the variable to use the bundled certificates",
        ),
        (
            "SSL_CERT_FILE",
            "config.yaml",
            'cannot read certificates from "config.yaml": it contains no PEM certificate; '
            "correct the path, or unset the variable to use the bundled certificates",
        ),
    ],
)
def test_an_invalid_variable_is_one_line_of_fetch(
    tmp_path: Path, variable: str, value: str, problem: str
) -> None:
    with WebServer.of(Reply(body=FEED)) as server:
        called = fetch(tmp_path, server.url, **{variable: value})
        assert not server.requests
    assert called.returncode == 1
    assert called.stderr == f"{variable}: {problem}\n"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_a_socks_proxy_names_the_missing_package(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTP_PROXY", "socks5://127.0.0.1:9")
    environment.setattr("digestbot.net.environment.find_spec", lambda name: None)
    with pytest.raises(NetworkSettingError, match=r"^HTTP_PROXY: a SOCKS proxy needs another"):
        get("http://127.0.0.1:9/")


def test_no_proxy_star_ignores_an_invalid_proxy(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTP_PROXY", "ftp://proxy.example")
    environment.setenv("NO_PROXY", "*")
    with WebServer.of(Reply(status=204)) as server:
        assert get(server.url).status == 204


def test_an_unwritable_key_log_is_a_setting_error(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SSLKEYLOGFILE", "/nonexistent/keys.log")
    with pytest.raises(NetworkSettingError, match=r"^TLS settings: No such file or directory;"):
        get("http://127.0.0.1:9/")


def test_requests_go_through_the_proxy_but_not_to_no_proxy(
    environment: pytest.MonkeyPatch,
) -> None:
    with WebServer.of(Reply(status=204)) as proxy, WebServer.of(Reply(status=200)) as server:
        environment.setenv("HTTP_PROXY", proxy.url)
        environment.setenv("NO_PROXY", "10.0.0.0/8,[::1],127.0.0.0/8")
        assert get("http://feeds.example.org/rss").status == 204
        assert get(server.url).status == 200
        assert [len(each.requests) for each in (proxy, server)] == [1, 1]


def test_socks_without_a_version_is_socks5(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALL_PROXY", "socks://127.0.0.1:1080/")
    environment.setattr("digestbot.net.environment.find_spec", lambda name: None)
    with pytest.raises(NetworkSettingError, match=r"^ALL_PROXY: a SOCKS proxy needs another"):
        get("http://127.0.0.1:9/")
