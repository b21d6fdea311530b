"""What rendering has made and will be asked for again, bounded in number."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class BoundedCache:
    """
    Values by what they were made of. Two threads may make one twice; they get equal ones.

    Two generations: what is asked for moves into the young one, and when that is full, the old one
    goes. So nothing is counted or moved at a hit, which a million mails would feel.
    """

    def __init__(self, entries: int) -> None:
        self._half = max(1, entries // 2)
        self._young: dict[object, Any] = {}
        self._old: dict[object, Any] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def lately(self) -> Callable[[object], Any]:
        """Gives what was asked for lately; None for what has to be asked for by `once`."""
        return self._young.get

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What *make* gave for *key*, if it is still there; else what it gives now."""
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
