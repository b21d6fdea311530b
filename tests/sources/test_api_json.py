"""JSON of web APIs: members of any type, and messages."""

import pytest

from digestbot.errors import BadAnswer
from digestbot.sources.api_json import (
    list_at,
    member,
    message_in,
    number_at,
    read_json,
    read_object,
    required_list,
    text_at,
    texts_at,
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the response is empty"),
        (b" \n", "the response is empty"),
        (b"<html>x</html>", "the response is HTML or XML, not JSON; check the URL"),
        (b'{"a": ', "the response is not well-formed JSON: Expecting value: line 1 column 7"),
        (b"[" * 100_000, "the JSON is nested too deeply"),
        (b"[1]", "the response is JSON, but not an object; check the URL"),
    ],
)
def test_other_bodies_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        read_object(body)
    assert str(caught.value).startswith(message)


def test_numbers_stay_text() -> None:
    assert read_json(b'{"a": 007}'.replace(b"007", b"7" + b"0" * 9999))["a"] == "7" + "0" * 9999
    assert read_json('\ufeff{"a": "é"}'.encode("utf-16")) == {"a": "é"}


@pytest.mark.parametrize("value", [None, True, "7", [], [None], {}, {"b": {}}, {"b": [{}]}])
def test_members_of_another_type_are_absent(value: object) -> None:
    data = {"a": value}
    assert text_at(data, "a", "b") == ""
    assert number_at(data, "a", "b") is None
    assert texts_at(data, "a", "b") == []
    assert list_at(data, "a", "b", "c") == []
    assert member(data, "a", "b", "c") is None


def test_members_are_read() -> None:
    data = {"n": "12", "t": " a\x00b ", "l": ["x", None, " y"], "o": {"p": "q"}, "x": "1x"}
    assert number_at(data, "n") == 12
    assert number_at(data, "x") is None
    assert text_at(data, "t") == "ab"
    assert text_at(data, "l") == "x"
    assert text_at(data, "o", "p") == "q"
    assert texts_at(data, "l") == ["x", "y"]
    assert texts_at(data, "t") == ["ab"]
    assert list_at(data, "o") == [{"p": "q"}]


def test_a_missing_list_quotes_the_message() -> None:
    with pytest.raises(BadAnswer, match=r'no list "a.b": "Invalid \'x\' here"'):
        required_list({"a": {"b": 1}, "message": 'Invalid "x"\nhere'}, "a", "b")
    with pytest.raises(BadAnswer, match=r'no list "a"$'):
        required_list({}, "a")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "no"}', "no"),
        (b'{"error": {"message": "deep"}}', "deep"),
        (
            b'{"status": "failed", "message": [{"type": "t", "message": "bad cursor"}]}',
            "bad cursor",
        ),
        (b"Resource not found.", "Resource not found."),
        (b"<html>x", None),
        (b"a\nb", None),
        (b"\xff\xfe\x00", None),
        (b"", None),
    ],
)
def test_messages_of_failures(body: bytes, message: str | None) -> None:
    assert message_in(body) == message
