"""
Runs of the delivering stage that die at a given point: ``python -m tests.pipeline.killing``.

A process with everything imported forks a child for each line that it reads, which saves the start
of Python. The child calls `deliver`, and kills itself with SIGKILL when it reaches a named point
for the *n*-th time. The points are the lines that the product logs, and the beginnings, commits and
ends of the store's transactions; the product has no code for them.
"""

import asyncio
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import event

from digestbot.config import Config, load_config
from digestbot.pipeline import deliver
from digestbot.pipeline.messages import MessageBuilder
from digestbot.store import Store, open_store
from digestbot.store.outbox import Outbox
from tests.store.samples import NOW

TRANSACTIONS = ("recover", "claim", "apply_data_done", "apply_sent")
IN_TRANSACTION = ("called", "begun", "committing", "done")
ON_THE_WIRE = (
    "connected",
    "answered MAIL",
    "answered RCPT",
    "answered DATA",
    "text written",
    "data done",
    "dot written",
    "answered DOT",
    "goodbye",
)
OF_MESSAGES = ("read_ahead", "build")
POINTS = (
    *(f"{name} {when}" for name in TRANSACTIONS for when in IN_TRANSACTION),
    *(f"{name} {when}" for name in OF_MESSAGES for when in ("called", "done")),
    *ON_THE_WIRE,
)
"""Points at which a run can be killed; it reaches the last one when everything is sent."""


class Killer(logging.Handler):
    """Handler that kills this process when it reaches *point* for the *nth* time."""

    def __init__(self, point: str, nth: int) -> None:
        super().__init__()
        self._point = point
        self._nth = nth
        self._seen: Counter[str] = Counter()
        self._transaction = ""

    def at(self, point: str) -> None:
        self._seen[point] += 1
        if point == self._point and self._seen[point] >= self._nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def emit(self, record: logging.LogRecord) -> None:
        self.at(" ".join(filter(None, (record.msg, getattr(record, "phase", "")))))

    def watch(self, store: Store) -> None:
        """Count the points inside the store and the message builder as well."""
        for name in ("recover", "claim", "apply"):
            self._wrap(Outbox, name)
        for name in OF_MESSAGES:
            self._wrap(MessageBuilder, name)
        engine = store._database._engine
        event.listen(engine, "begin", lambda _: self.at(f"{self._transaction} begun"))
        event.listen(engine, "commit", lambda _: self.at(f"{self._transaction} committing"))

    def _wrap(self, owner: type, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def watched(this: Any, *args: Any, **options: Any) -> Any:
            point = f"apply_{args[0][0].to}" if name == "apply" else name
            before, self._transaction = self._transaction, point
            self.at(f"{point} called")
            result = real(this, *args, **options)
            self.at(f"{point} done")
            self._transaction = before
            return result

        setattr(owner, name, watched)


async def no_sleep(pause_s: float) -> None:
    """Return at once, in the place of ``asyncio.sleep``."""


def run(url: str, config: Config, point: str, nth: int, minutes: int) -> None:
    """Run the stage once, *minutes* after everything was queued."""
    killer = Killer(point, nth)
    log = logging.getLogger("digestbot")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    log.addHandler(killer)
    now = NOW + timedelta(minutes=minutes)
    with open_store(url) as store:
        killer.watch(store)
        asyncio.run(deliver(store, config, clock=lambda: now, random=Random(nth), sleep=no_sleep))


def main() -> None:
    """Run once per line ``url config point nth minutes``, tab-separated; print the exit code."""
    read = cache(lambda path: load_config(Path(path), {}))
    for line in sys.stdin:
        url, config, point, nth, minutes = line.rstrip("\n").split("\t")
        read(config)  # load it once, not in each child
        child = os.fork()
        if not child:
            try:
                run(url, read(config), point, int(nth), int(minutes))
            except BaseException as error:
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
