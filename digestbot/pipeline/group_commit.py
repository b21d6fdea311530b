"""
Group commit: the steps of many deliveries, each awaited, in few transactions.

A commit waits for the disk, which takes the same time for one step and for a hundred. So whoever
wants a step written down joins those that wait while the transaction before is committed.
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
"""Between two tries when the database is not there, is locked or full. Together less than a lease,
and long enough for a restart of PostgreSQL: what a server has taken must not be forgotten for
that."""

T = TypeVar("T")


async def retry_while_unavailable(act: Callable[[], T], sleep: Sleep) -> T:
    """
    What *act* gives, in a thread, as soon as the database lets it.

    Raises:
        StoreUnavailable: It was away for longer than all of `PAUSES_S`.
    """
    for pause_s in PAUSES_S:
        try:
            return await asyncio.to_thread(act)
        except StoreUnavailable as error:
            log.warning("the store is tried again in %s s: %s", pause_s, error)
            await sleep(pause_s)
    return await asyncio.to_thread(act)


class GroupCommit:
    """Writes down steps in the order in which they come; used within one event loop."""

    def __init__(self, store: Store, *, sleep: Sleep = asyncio.sleep) -> None:
        self._outbox = store.outbox
        self._sleep = sleep
        self._waiting: list[tuple[Transition, asyncio.Future[bool]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._given_up: StoreError | None = None

    async def write(self, mark: Transition) -> bool:
        """
        Whether *mark* could be made; it is committed when this returns.

        When the database was away for too long, nothing more may be begun: each of a hundred
        messages that wait for their turn would wait for it as long again. What has ended is still
        tried once.

        Raises:
            StoreError: It could not be written for longer than a restart of the database takes.
        """
        if self._given_up is not None and mark.to is DeliveryState.DATA_DONE:
            raise self._given_up
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((mark, outcome))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return await outcome

    async def close(self) -> None:
        """Return when everything is written that was entered."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                entries, self._waiting = self._waiting, []
                outcomes = [outcome for _, outcome in entries]
                try:
                    made = await self._commit([mark for mark, _ in entries])
                except Exception as error:
                    for outcome in outcomes:
                        if not outcome.done():
                            outcome.set_exception(error)
                    continue
                for outcome, yes in zip(outcomes, made, strict=True):
                    if not outcome.done():
                        outcome.set_result(yes)
        finally:
            self._writer = None

    async def _commit(self, marks: list[Transition]) -> list[bool]:
        return await self.retry_while_unavailable(partial(self._outbox.apply, marks))

    async def retry_while_unavailable(self, act: Callable[[], T]) -> T:
        """
        Return what *act* gives; try it only once after the database was given up.

        Raises:
            StoreError: The database was away for too long.
        """
        if self._given_up is not None:
            return await asyncio.to_thread(act)
        try:
            return await retry_while_unavailable(act, self._sleep)
        except StoreError as error:
            self._given_up = error
            raise
