"""Logging to stderr: one line per event, with its facts as ``key=value``."""

import logging

from digestbot.secret import masked

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# At INFO or DEBUG these libraries log request URLs, bodies or tokens.
CAPPED = ("httpx", "httpcore", "slack_sdk", "aiosmtplib", "alembic", "sqlalchemy")


class FactFormatter(logging.Formatter):
    """Formatter that appends the facts from ``extra`` to the message, and masks secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one line, followed by the traceback if there is one."""
        facts = {key: value for key, value in vars(record).items() if key not in STANDARD}
        text = super().format(record)
        head, newline, rest = text.partition("\n")
        suffix = "".join(f" {key}={value}" for key, value in facts.items())
        return masked(head + suffix + newline + rest)


def set_up(verbosity: int) -> None:
    """
    Configure logging to stderr.

    Args:
        verbosity: -1 errors, 0 warnings, 1 info, 2 and more debug (digestbot's own loggers).
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
    # It logs a traceback for each bounce detector that fails; the next detector takes over.
    logging.getLogger("flufl").setLevel(logging.CRITICAL)
    # It warns at each tick that finds the previous one still running, which is expected.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
