"""Bounded cache of rendered text."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class BoundedCache:
    """
    Cache with a bounded number of entries.

    It is safe to use from several threads; two of them may make the same value twice and get equal
    ones. There are two generations: a value that is used moves into the young one, and when that is
    full, the old one is dropped. So a hit in the young one needs no bookkeeping, which matters over
    a million mails.
    """

    def __init__(self, entries: int) -> None:
        self._half = max(1, entries // 2)
        self._young: dict[object, Any] = {}
        self._old: dict[object, Any] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def get_recent(self) -> Callable[[object], Any]:
        """Fast look-up of recent values; on a miss, call `get_or_make`."""
        return self._young.get

    def get_or_make(self, key: object, make: Callable[[], T]) -> T:
        """Return the value under *key*, or make it."""
        value: T | None = self._young.get(key)
        if value is not None:
            return value
        value = self._old.get(key)
        if value is None:
            value = make()
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value
        return value
