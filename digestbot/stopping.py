"""
Stop gracefully on SIGTERM and Ctrl-C, and at once on a second signal.

`run` wraps each of its steps in `StopSignals.run`; `serve` runs its own event loop and shares
the times and `kill_on_next_signal`.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from digestbot.daemon_threads import DaemonThreads

GRACE_S = 7.0
"""Time that work under way has to end after the signal; then it is cancelled. Docker kills after 10
seconds."""
CANCEL_S = 1.0
"""Time that cancelled work has to clean up; granted twice, then the process ends."""
THREADS = 32
"""Threads for calls that block: the store, files, TLS set-up."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)

T = TypeVar("T")


def kill_on_next_signal() -> None:
    """Let the operating system end the process at the next of `SIGNALS`."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


class StopSignals:
    """The request to stop, once a signal has made it. Call it to ask."""

    def __init__(self) -> None:
        self.received: str | None = None
        """Name of the signal."""
        self._wake: Callable[[], object] = lambda: None

    def __call__(self) -> bool:
        return self.received is not None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note the first signal; a second one ends the process."""
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        kill_on_next_signal()
        self._wake()

    def run(self, work: Coroutine[Any, Any, T], *, grace_s: float = GRACE_S) -> T | None:
        """
        Run *work* in an event loop; return its result, or None if it was cancelled.

        It is cancelled *grace_s* seconds after the signal. Threads that still wait for a server end
        with the process.
        """
        return asyncio.run(self._supervise(work, grace_s))

    async def _supervise(self, work: Coroutine[Any, Any, T], grace_s: float) -> T | None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(DaemonThreads(THREADS))
        signalled = asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(signalled.set)
        if self():
            signalled.set()
        task = asyncio.create_task(work)
        waiting = asyncio.create_task(signalled.wait())
        try:
            await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
            await _end(task, grace_s)
        finally:
            self._wake = lambda: None
            waiting.cancel()
        return task.result() if task.done() and not task.cancelled() else None


async def _end(task: "asyncio.Task[T]", grace_s: float) -> None:
    """Wait *grace_s* for *task*, then cancel it; again if its clean-up waits for a server."""
    await asyncio.wait((task,), timeout=grace_s)
    for _ in range(2):
        if task.done():
            return
        task.cancel()
        await asyncio.wait((task,), timeout=CANCEL_S)
