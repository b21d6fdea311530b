"""Dot-stuffing: whatever octets come, what goes out is lines that hide no end of the text."""

from hypothesis import example, given
from hypothesis import strategies as st

from digestbot.deliver.smtp_link import stuffed

TEXTS = st.lists(st.sampled_from([b"a", b".", b"\r", b"\n", b"\r\n", b"=", b"\x00"]), max_size=40)


def obviously(message: bytes) -> bytes:
    lines = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if not lines[-1]:
        lines.pop()
    return b"".join((b"." + line if line[:1] == b"." else line) + b"\r\n" for line in lines)


@given(parts=TEXTS)
@example(parts=[b"a\r\n", b".\r\n", b"..b\r\n"])
@example(parts=[b"a", b"\r", b"\r\n"])
@example(parts=[b"a", b"\n", b"b\r", b"\r\n"])
def test_every_line_ends_in_crlf_and_none_is_a_lone_dot(parts: list[bytes]) -> None:
    assert stuffed(b"".join(parts)) == obviously(b"".join(parts))
