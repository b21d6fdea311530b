"""
Group commit: write what many tasks wait for in few transactions.

A commit waits for the disk, which takes as long for one step as for a hundred. So a step joins
those that wait while the transaction before is being committed, and each caller awaits its own.
`GroupCommit` writes the steps of deliveries, `GroupedWrites` any calls of the store.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from digestbot.errors import StoreError, StoreUnavailable
from digestbot.model import DeliveryState
from digestbot.store import Store, Transition

log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]

PAUSES_S = (0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8)
"""Pauses between attempts while the database is away, locked or full. Their sum is below a lease
and above a restart of PostgreSQL, so that a restart never loses the record of a sent message."""

T = TypeVar("T")
Step = TypeVar("Step")


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


class WriteQueue(Generic[Step, T]):
    """
    Queue that commits steps in order, many at a time; for one event loop.

    Args:
        commit: Commits all its steps and returns the outcome of each.
    """

    def __init__(self, commit: Callable[[list[Step]], Awaitable[Sequence[T | Exception]]]) -> None:
        self._commit = commit
        self._queue: list[tuple[Step, asyncio.Future[T]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, step: Step) -> T:
        """Commit *step* with those that wait; return its own outcome, or raise it."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
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
                results = await self._results([step for step, _ in batch])
                for (_, outcome), result in zip(batch, results, strict=True):
                    _settle(outcome, result)
        finally:
            self._writer = None

    async def _results(self, steps: list[Step]) -> Sequence[T | Exception]:
        try:
            return await self._commit(steps)
        except Exception as error:
            return [error] * len(steps)


def _settle(outcome: "asyncio.Future[T]", result: T | Exception) -> None:
    if outcome.done():  # cancelled
        return
    if isinstance(result, Exception):
        outcome.set_exception(result)
    else:
        outcome.set_result(result)


class GroupedWrites:
    """Calls of the store's methods, committed together; for one event loop."""

    def __init__(self, store: Store) -> None:
        async def commit(acts: list[Callable[[], Any]]) -> Sequence[Any]:
            return await asyncio.to_thread(store.together, acts)

        self._queue = WriteQueue(commit)

    async def __call__(self, act: Callable[[], T]) -> T:
        """
        Call *act* in a transaction with others that wait; return its result once committed.

        Raises:
            StoreError: The database failed; the act has not happened.
            Exception: What *act* raised; its own writes are undone.
        """
        result: T = await self._queue.write(act)
        return result


class GroupCommit:
    """Steps of deliveries, committed in order, many at a time; for one event loop."""

    def __init__(self, store: Store, *, sleep: Sleep = asyncio.sleep) -> None:
        self._outbox = store.outbox
        self._sleep = sleep
        self._queue: WriteQueue[Transition, bool] = WriteQueue(self._commit)
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
        return await self._queue.write(step)

    async def close(self) -> None:
        """Wait until every queued step is written."""
        await self._queue.close()

    async def _commit(self, steps: list[Transition]) -> Sequence[bool]:
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
