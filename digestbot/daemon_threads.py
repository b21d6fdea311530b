"""
Thread pool whose threads end with the process.

A thread that waits for a silent server cannot be cancelled, and both asyncio and Python wait for
the threads of a ``ThreadPoolExecutor`` before the process ends. Daemon threads hold up neither.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(ThreadPoolExecutor):
    """
    Executor on daemon threads.

    A ThreadPoolExecutor by name only, since asyncio accepts no other default executor.
    """

    def __init__(self, max_workers: int, name: str = "worker") -> None:
        super().__init__(max_workers, name)
        self._limit = max_workers
        self._name = name
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._counts = Lock()
        self._started = 0
        self._busy = 0
        """Threads at work and calls that wait for one."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run *fn* on an idle thread, or on a new one within the limit."""
        future: Future[T] = Future()
        with self._counts:
            self._busy += 1
            if self._started < min(self._busy, self._limit):
                self._started += 1
                Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        self._calls.put((future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let idle threads end; return at once even if some are busy."""
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, run = call
            if future.set_running_or_notify_cancel():
                try:
                    result = run()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
            with self._counts:
                self._busy -= 1
