"""
Run parsers of untrusted bytes in child processes that can be killed.

A hostile feed can keep a parser busy for minutes while it holds the interpreter's lock, or exhaust
the memory. In a child it costs that child only: a call that exceeds its time or memory ends as
`ParserStopped`, and the next call gets a new process. Begin at `ParserPool`.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from digestbot.errors import DigestbotError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

T = TypeVar("T")
P = ParamSpec("P")

TIMEOUT_S = 10.0
"""For one body: a feed of 10 MB takes about 3 s."""
START_S = 60.0
"""For a child to import the parsers, on a busy machine."""
MEMORY_BYTES = 2 * 1024**3
"""Address space of a child; the interpreter with all parsers takes 200 MB of it."""
WORKERS = 2
CALLS_PER_WORKER = 500
"""Calls after which a child is replaced, so that leaks of a parser stay small."""


class ParserStopped(DigestbotError):
    """A parser exceeded its time or memory and was killed."""


class Parse(Protocol):
    """Runs a parser somewhere safe and returns its result."""

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """
        Return what *function*, a function of a module, returns for the arguments.

        Raises:
            ParserStopped: It took too long, or crashed.
            Exception: What *function* raised.
        """
        ...


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run *function* in a thread of this process, for input that is trusted; see `Parse`."""
    return await asyncio.to_thread(function, *args, **kwargs)


class ParserPool:
    """A few child processes, started when first needed; use it with ``async with``."""

    def __init__(
        self,
        *,
        workers: int = WORKERS,
        timeout_s: float | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
        self._memory_bytes = memory_bytes
        self._slots = asyncio.Semaphore(workers)
        self._idle: list[_Worker] = []

    async def __aenter__(self) -> "ParserPool":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill all children."""
        while self._idle:
            self._idle.pop().kill()

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *function* in a child; see `Parse`."""
        async with self._slots:
            worker = self._idle.pop() if self._idle else _Worker(self._memory_bytes)
            call = asyncio.to_thread(worker.call, function, args, kwargs, self._timeout_s)
            try:
                is_result, value = await call
            except BaseException:
                worker.kill()
                raise
            if worker.calls < CALLS_PER_WORKER:
                self._idle.append(worker)
            else:
                worker.kill()
        if is_result:
            return value  # type: ignore[no-any-return]
        raise value


class _Worker:
    """One child process and the pipe to it."""

    def __init__(self, memory_bytes: int) -> None:
        import multiprocessing  # here: most commands parse nothing

        # Not forked: a copy of a process with threads may deadlock.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, memory_bytes), daemon=True)
        self._process.start()
        theirs.close()
        self._is_ready = False
        self.calls = 0

    def call(
        self, function: Callable[..., Any], args: Any, kwargs: Any, timeout_s: float
    ) -> tuple[bool, Any]:
        """Return (True, result) or (False, exception)."""
        self.calls += 1
        try:
            if not self._is_ready:
                self._receive(START_S, "starting the parser")
                self._is_ready = True
            self._pipe.send((function, args, kwargs))
            answer: tuple[bool, Any] = self._receive(timeout_s, "parsing")
        except (EOFError, OSError) as error:
            raise ParserStopped("the parser crashed or ran out of memory") from error
        return answer

    def _receive(self, timeout_s: float, what: str) -> Any:
        if not self._pipe.poll(timeout_s):
            raise ParserStopped(f"{what} took longer than {timeout_s:g} s")
        return self._pipe.recv()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()


def _serve(pipe: "Connection", memory_bytes: int) -> None:
    """Answer calls until the parent closes the pipe or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _limit_memory(memory_bytes)
    pipe.send("ready")
    with suppress(EOFError, OSError):
        while True:
            function, args, kwargs = pipe.recv()
            pipe.send(_answer(function, args, kwargs))


def _answer(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[bool, Any]:
    try:
        return True, function(*args, **kwargs)
    except MemoryError:
        return False, ParserStopped("the parser ran out of memory")
    except Exception as error:
        return False, error


def _limit_memory(memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    with suppress(OSError, ValueError):  # macOS refuses this one
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
