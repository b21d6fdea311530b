"""Logs on stderr: one line an event, its facts as ``key=value``; no secret ever."""

import logging

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# These libraries write request addresses, bodies or tokens when they are let talk.
CAPPED = ("httpx", "httpcore", "slack_sdk", "aiosmtplib", "alembic", "sqlalchemy")


class FactFormatter(logging.Formatter):
    """The message, then the facts given in ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, but for a traceback."""
        facts = {key: value for key, value in vars(record).items() if key not in STANDARD}
        text = super().format(record)
        head, newline, rest = text.partition("\n")
        words = "".join(f" {key}={value}" for key, value in facts.items())
        return head + words + newline + rest


def set_up(verbosity: int) -> None:
    """
    Send our logs to stderr.

    Args:
        verbosity: -1 errors, 0 warnings, 1 facts of the stages, 2 and more everything of ours.
    """
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    handler = logging.StreamHandler()
    handler.setFormatter(FactFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("digestbot").setLevel(level)
    for name in CAPPED:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    # It tells of each detector that does not bear a mail, with a traceback; another one does.
    logging.getLogger("flufl").setLevel(logging.CRITICAL)
    # It warns at each tick that finds the one before still at work, which is as it should be.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
