"""Check that time grows with the size of the input and no faster."""

import gc
import time
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

RATIO = 2.5
"""Most that a doubled input may cost; 4 would be quadratic."""
FLOOR_S = 0.02
"""Below this only the overhead is measured."""
ROUNDS = 5


def is_linear(make: Callable[[int], T], run: Callable[[T], object], size: int) -> bool:
    """
    Return True if *run* takes at most `RATIO` times as long for ×2 and for ×4.

    CPU time is measured, and one good round of several counts: other work on the machine can slow
    a run down, but it cannot make quadratic code look linear. The garbage collector rests: its time
    depends on all objects of the process.
    """
    gc.disable()
    try:
        return any(_round_is_linear(make, run, size) for _ in range(ROUNDS))
    finally:
        gc.enable()


def _round_is_linear(make: Callable[[int], T], run: Callable[[T], object], size: int) -> bool:
    times = []
    for factor in (1, 2, 4):
        value = make(size * factor)
        runs = []
        for _ in range(3):
            start = time.process_time()
            run(value)
            runs.append(time.process_time() - start)
        times.append(min(runs))
    return all(after <= max(RATIO * before, FLOOR_S) for before, after in pairwise(times))
