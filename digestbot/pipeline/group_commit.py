"""
Group commit: write the steps of many deliveries in few transactions.

A commit waits for the disk, which takes as long for one step as for a hundred. So a step joins
those that wait while the transaction before is being committed, and each caller awaits its own.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from digestbot.errors import StoreError, StoreUnavailable
from digestbot.model import DeliveryState
from digestbot.store import Store, Transition

log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]

PAUSES_S = (0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8)
"""Pauses between attempts while the database is away, locked or full. Their sum is below a lease
and above a restart of PostgreSQL, so that a restart never loses the record of a sent message."""

T = TypeVar("T")


async def retry_while_unavailable(act: Callable[[], T], sleep: Sleep) -> T:
    """
    Call *act* in a thread until the database is available; return its result.

    Raises:
        StoreUnavailable: The database was away for longer than all of `PAUSES_S`.
    """
    for pause_s in PAUSES_S:
        try:
            return await asyncio.to_thread(act)
        except StoreUnavailable as error:
            log.warning("store unavailable, retrying", extra={"in_s": pause_s, "error": error})
            await sleep(pause_s)
    return await asyncio.to_thread(act)


class GroupCommit:
    """Queue that commits steps in order, many at a time; for one event loop."""

    def __init__(self, store: Store, *, sleep: Sleep = asyncio.sleep) -> None:
        self._outbox = store.outbox
        self._sleep = sleep
        self._queue: list[tuple[Transition, asyncio.Future[bool]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._error: StoreError | None = None
        """Set once the database was away for too long."""

    async def write(self, step: Transition) -> bool:
        """
        Commit *step*; return False if the delivery's current state refuses it.

        Once the database was away for too long, steps that begin a transfer are refused at once: a
        hundred queued messages would otherwise each wait as long again. Steps that end one are
        still tried once.

        Raises:
            StoreError: The database was away for longer than it takes to restart.
        """
        if self._error is not None and step.to is DeliveryState.DATA_DONE:
            raise self._error
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.append((step, outcome))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return await outcome

    async def close(self) -> None:
        """Wait until every queued step is written."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                outcomes = [outcome for _, outcome in batch]
                try:
                    results = await self._commit([step for step, _ in batch])
                except Exception as error:
                    for outcome in outcomes:
                        if not outcome.done():
                            outcome.set_exception(error)
                    continue
                for outcome, result in zip(outcomes, results, strict=True):
                    if not outcome.done():
                        outcome.set_result(result)
        finally:
            self._writer = None

    async def _commit(self, steps: list[Transition]) -> list[bool]:
        return await self.retry_while_unavailable(partial(self._outbox.apply, steps))

    async def retry_while_unavailable(self, act: Callable[[], T]) -> T:
        """
        Call *act* as the function above does, but only once if the database was given up.

        Raises:
            StoreError: The database was away for too long.
        """
        if self._error is not None:
            return await asyncio.to_thread(act)
        try:
            return await retry_while_unavailable(act, self._sleep)
        except StoreError as error:
            self._error = error
            raise
