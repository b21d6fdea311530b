"""Headers, cookies and user agent of a source."""

import pickle
from dataclasses import dataclass, replace

import pytest

from digestbot.secret import Secret
from digestbot.sources.web_options import WebOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind(WebOptions):
    url: str = "https://example.org"


def options(**values: str) -> _Kind:
    return _Kind(headers={name.replace("_", "-"): Secret(text) for name, text in values.items()})


def test_nothing_is_sent_by_default() -> None:
    assert _Kind().request_headers() == {}


def test_headers_cookies_and_user_agent_are_sent() -> None:
    found = replace(
        options(X_API_Key=" k=1 ", Accept="text/xml"),
        cookies={"a": Secret("1"), "b": Secret("")},
        user_agent="MyLab/1.0 (me@example.org)",
    )
    assert found.request_headers() == {
        "x-api-key": "k=1",
        "accept": "text/xml",
        "user-agent": "MyLab/1.0 (me@example.org)",
        "cookie": "a=1; b=",
    }


def test_secrets_are_shown_nowhere_and_stay_in_the_process() -> None:
    found = replace(options(X_Key="planted"), cookies={"a": Secret("planted")})
    assert "planted" not in repr(found)
    plain = found.without_secrets()
    assert plain == _Kind()
    assert pickle.dumps(plain)
    with pytest.raises(TypeError, match=r"must not be pickled"):
        pickle.dumps(found)


@pytest.mark.parametrize("value", ["a\nb", "a\r\nHost: x", "é", "a\0", "", " ", "a\x7f"])
def test_values_that_would_break_a_request_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r'^headers: the value of "X-Key" must be one line') as bad:
        options(X_Key=value)
    assert value.strip() in ("", "a") or value not in str(bad.value)
    if value.strip():
        with pytest.raises(ValueError, match=r'^cookies: the value of "a" must be ASCII'):
            _Kind(cookies={"a": Secret(value)})
        with pytest.raises(ValueError, match=r"^user_agent must be one line"):
            _Kind(user_agent=value)


@pytest.mark.parametrize("name", ["", "X Key", "X:", "X\n", "é", "x" * 257])
def test_names_that_would_break_a_request_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not the name of a header$"):
        _Kind(headers={name: Secret("x")})
    with pytest.raises(ValueError, match=r"is not the name of a cookie$"):
        _Kind(cookies={name: Secret("x")})


@pytest.mark.parametrize("name", ["Host", "content-length", "Accept-Encoding", "If-None-Match"])
def test_headers_of_the_client_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf'^headers: digestbot itself sets "{name}"; remove it$'):
        _Kind(headers={name: Secret("x")})


@pytest.mark.parametrize(("name", "key"), [("Cookie", "cookies"), ("USER-AGENT", "user_agent")])
def test_headers_with_a_key_of_their_own_are_refused(name: str, key: str) -> None:
    with pytest.raises(ValueError, match=rf'^headers: write "{key}:" instead of "{name}"$'):
        _Kind(headers={name: Secret("x")})


def test_the_whole_is_bounded() -> None:
    with pytest.raises(
        ValueError, match=r"^headers must have at most 8,192 characters altogether$"
    ):
        options(A="x" * 5000, B="x" * 5000)
    with pytest.raises(
        ValueError, match=r"^cookies must have at most 8,192 characters altogether$"
    ):
        _Kind(cookies={"a": Secret("x" * 8192)})
    with pytest.raises(ValueError, match=r"at most 512 characters"):
        _Kind(user_agent="x" * 513)
