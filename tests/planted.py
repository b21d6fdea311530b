"""
Every secret of the tests bears one mark, and nothing that the program shows may bear it.

Looked through, during every test: what is logged, at every level and by the libraries too (with
tracebacks), the text of every error of ours, and what is printed. Only the stand-ins for servers
may log what they are told. A secret of a test is made by writing the mark into it.
"""

import logging
from base64 import b64encode
from typing import Any
from urllib.parse import quote

from digestbot.cli.logs import FactFormatter
from digestbot.errors import DigestbotError, InvalidValue

MARK = "pl4nted"
STAND_INS = frozenset({"mail", "tests"})
"""Loggers of servers that the tests run (aiosmtpd's is ``mail``)."""
TALKATIVE = ("digestbot", "httpx", "httpcore", "slack_sdk", "aiosmtplib", "imaplib", "flufl")
"""Loggers that would tell most, let talk in the tests."""


def _encoded() -> set[str]:
    """What of the mark is sure to stand in base64, wherever it begins in the octets."""
    marks = set()
    for before in range(3):
        text = b64encode(b"\0" * before + MARK.encode() + b"\0" * 3).decode()
        marks.add(text[-(-before * 8 // 6) : (before + len(MARK)) * 8 // 6])
    return marks


MARKS = frozenset({MARK, MARK.upper(), quote(MARK), repr(MARK)[1:-1], *_encoded()})


def shows_a_secret(text: str) -> bool:
    """Whether the mark is in *text*, as it is or in base64."""
    return any(mark in text for mark in MARKS)


class Watch(logging.Handler):
    """Looks at every record and at every error of ours, between `begin` and `end`."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(FactFormatter("%(name)s: %(message)s"))
        self.found: list[str] = []
        self._levels: dict[str, int] = {}

    def begin(self) -> None:
        """Listen to all, and let the talkative talk."""
        logging.getLogger().addHandler(self)
        for name in TALKATIVE:
            logger = logging.getLogger(name)
            self._levels[name] = logger.level
            logger.setLevel(logging.DEBUG)
            logger.addHandler(self)

    def end(self) -> list[str]:
        """What was found since `begin`."""
        logging.getLogger().removeHandler(self)
        for name in TALKATIVE:
            logger = logging.getLogger(name)
            logger.removeHandler(self)
            logger.setLevel(self._levels[name])
        found, self.found = self.found, []
        return found

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        if record.name.partition(".")[0] not in STAND_INS:
            self.look_at(self.format(record), f"a log of {record.name}")

    def look_at(self, text: str, where: str) -> None:
        """Note that a secret is shown *where*, if it is."""
        if shows_a_secret(text):
            self.found.append(f"{where}: {text[:500]}")


def watch_errors(watch: Watch) -> None:
    """
    Look at the text of every error of ours from now on, raised or not.

    But for what says of one value that it means nothing: the config, which knows where the value is
    from, shows such an error only if it may.
    """

    def init(self: DigestbotError, *args: Any) -> None:
        Exception.__init__(self, *args)
        if not isinstance(self, InvalidValue):
            watch.look_at(" ".join(map(str, args)), f"an error, {type(self).__name__}")

    DigestbotError.__init__ = init  # type: ignore[method-assign, assignment]
