"""
Detect leaked secrets: every secret in the tests contains a mark, and no output may show it.

Every test checks all log records (every level, libraries and tracebacks included), the text of
every `DigestbotError`, and printed output. Only the test servers may log what they receive. To
plant a secret, include `MARK` in its text.
"""

import logging
from base64 import b64encode
from typing import Any
from urllib.parse import quote

from digestbot.cli.logs import FactFormatter
from digestbot.errors import DigestbotError, InvalidValue

MARK = "pl4nted"
SERVER_LOGGERS = frozenset({"mail", "tests"})
"""Loggers of the test servers (aiosmtpd's is ``mail``)."""
VERBOSE_LOGGERS = ("digestbot", "httpx", "httpcore", "slack_sdk", "aiosmtplib", "imaplib", "flufl")
"""Loggers most likely to leak; set to DEBUG during tests."""


def _encoded() -> set[str]:
    """Return the parts of the mark that appear in base64 at each of the 3 byte offsets."""
    marks = set()
    for before in range(3):
        text = b64encode(b"\0" * before + MARK.encode() + b"\0" * 3).decode()
        marks.add(text[-(-before * 8 // 6) : (before + len(MARK)) * 8 // 6])
    return marks


MARKS = frozenset({MARK, MARK.upper(), quote(MARK), repr(MARK)[1:-1], *_encoded()})


def shows_a_secret(text: str) -> bool:
    """Return True if *text* contains the mark, plain or in base64."""
    return any(mark in text for mark in MARKS)


class Watch(logging.Handler):
    """Handler that checks every log record and error between `begin` and `end`."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(FactFormatter("%(name)s: %(message)s"))
        self.found: list[str] = []
        self._levels: dict[str, int] = {}

    def begin(self) -> None:
        """Attach to all loggers and set the verbose ones to DEBUG."""
        logging.getLogger().addHandler(self)
        for name in VERBOSE_LOGGERS:
            logger = logging.getLogger(name)
            self._levels[name] = logger.level
            logger.setLevel(logging.DEBUG)
            logger.addHandler(self)

    def end(self) -> list[str]:
        """Detach, and return the leaks found since `begin`."""
        logging.getLogger().removeHandler(self)
        for name in VERBOSE_LOGGERS:
            logger = logging.getLogger(name)
            logger.removeHandler(self)
            logger.setLevel(self._levels[name])
        found, self.found = self.found, []
        return found

    def emit(self, record: logging.LogRecord) -> None:
        """Check one record."""
        if record.name.partition(".")[0] not in SERVER_LOGGERS:
            self.check(self.format(record), f"a log of {record.name}")

    def check(self, text: str, where: str) -> None:
        """Record a leak if *text* contains the mark."""
        if shows_a_secret(text):
            self.found.append(f"{where}: {text[:500]}")


def watch_errors(watch: Watch) -> None:
    """
    Check the text of every `DigestbotError` from now on, raised or not.

    `InvalidValue` is exempt: it quotes a value, and the config shows it only if the value is not
    secret.
    """

    original = DigestbotError.__init__

    def init(self: DigestbotError, *args: Any) -> None:
        original(self, *args)
        args = self.args
        if not isinstance(self, InvalidValue):
            watch.check(" ".join(map(str, args)), f"an error, {type(self).__name__}")

    DigestbotError.__init__ = init  # type: ignore[method-assign]
