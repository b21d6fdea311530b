"""Daemon threads: they reuse idle threads, keep to the limit, and never delay the exit."""

import subprocess
import sys
import threading
from concurrent.futures import wait

import pytest

from digestbot.daemon_threads import DaemonThreads


def test_results_and_errors_reach_the_caller() -> None:
    threads = DaemonThreads(2)
    assert threads.submit(divmod, 7, 2).result(10) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 7, 0).result(10)
    threads.shutdown()


def test_calls_run_concurrently_up_to_the_limit() -> None:
    threads = DaemonThreads(3)
    together = threading.Barrier(3)
    futures = [threads.submit(together.wait, 10) for _ in range(6)]
    assert len(wait(futures, 10).done) == 6
    names = {threads.submit(lambda: threading.current_thread().name).result(10) for _ in range(20)}
    assert names <= {"worker-1", "worker-2", "worker-3"}
    threads.shutdown()


def test_a_cancelled_call_never_runs() -> None:
    threads = DaemonThreads(1)
    release = threading.Event()
    ran: list[int] = []
    first = threads.submit(release.wait, 10)
    second = threads.submit(ran.append, 1)
    assert second.cancel()
    release.set()
    assert first.result(10)
    threads.submit(ran.append, 2).result(10)
    assert ran == [2]
    threads.shutdown()


PROGRAM = """
import asyncio, threading
from digestbot.daemon_threads import DaemonThreads

async def main():
    asyncio.get_running_loop().set_default_executor(DaemonThreads(2))
    task = asyncio.create_task(asyncio.to_thread(threading.Event().wait))
    await asyncio.to_thread(print, "done")
    task.cancel()

asyncio.run(main())
"""


def test_a_thread_that_waits_does_not_delay_the_exit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
