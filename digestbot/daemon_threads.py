"""
Thread pool whose threads never keep the process alive.

A thread that waits for a silent server cannot be cancelled. Both asyncio and Python would wait for
the threads of a ``ThreadPoolExecutor`` at the end of the process; these end with it.
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
        """Run *fn* on a thread; start one if all are busy and the limit allows."""
        future: Future[T] = Future()
        with self._counts:
            self._busy += 1
            if self._started < min(self._busy, self._limit):
                self._started += 1
                Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        self._calls.put((future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let idle threads end; return at once, whatever the busy ones wait for."""
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
