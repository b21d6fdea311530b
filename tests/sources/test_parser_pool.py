"""Parsers in child processes: results and errors come back, hostile calls end."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from digestbot.errors import BadAnswer
from digestbot.sources.parser_pool import ParserPool, ParserStopped


def double(number: int) -> int:
    return 2 * number


def refuse(text: str) -> None:
    raise BadAnswer(text)


def busy() -> None:
    while True:
        pass


def crash() -> None:
    os._exit(7)


def exhaust() -> int:
    return len(bytearray(8 * 1024**3))


def child() -> int:
    return os.getpid()


def run(*calls: tuple[Any, ...], timeout_s: float = 10.0, workers: int = 1) -> list[Any]:
    """Make the calls one after another; return results and exceptions."""

    async def all_of_them() -> list[Any]:
        async with ParserPool(workers=workers, timeout_s=timeout_s) as pool:
            found: list[Any] = []
            for function, *args in calls:
                try:
                    found.append(await pool(function, *args))
                except Exception as error:
                    found.append(error)
            return found

    return asyncio.run(all_of_them())


def test_results_and_errors_come_back() -> None:
    result, error, again = run((double, 21), (refuse, "no feed"), (double, 1))
    assert (result, again) == (42, 2)
    assert isinstance(error, BadAnswer)
    assert str(error) == "no feed"


def test_one_child_serves_many_calls() -> None:
    first, second = run((child,), (child,))
    assert first == second != os.getpid()


@pytest.mark.parametrize(
    ("hostile", "says"),
    [
        (busy, "parsing took longer than 0.5 s"),
        (crash, "the parser crashed or ran out of memory"),
        (exhaust, "the parser ran out of memory"),
    ],
)
def test_a_hostile_call_costs_only_itself(hostile: Callable[[], Any], says: str) -> None:
    before, stopped, after = run((double, 1), (hostile,), (double, 2), timeout_s=0.5)
    assert (before, after) == (2, 4)
    assert isinstance(stopped, ParserStopped)
    assert str(stopped) == says


def test_the_event_loop_stays_responsive() -> None:
    async def ticks() -> int:
        count = 0
        async with ParserPool(workers=1, timeout_s=1.0) as pool:
            await pool(double, 1)
            task = asyncio.ensure_future(pool(busy))
            while not task.done():
                await asyncio.sleep(0.01)
                count += 1
            assert isinstance(task.exception(), ParserStopped)
        return count

    assert asyncio.run(ticks()) > 20


def test_children_end_with_the_pool() -> None:
    async def pid() -> int:
        async with ParserPool(workers=1) as pool:
            return await pool(child)

    gone = asyncio.run(pid())
    for _ in range(100):
        try:
            os.kill(gone, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail("the child still runs")
