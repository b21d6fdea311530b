"""The bounded cache keeps what is used and drops the rest."""

from itertools import pairwise

from digestbot.render.cache import BoundedCache


def test_cache_is_bounded_and_keeps_what_is_used() -> None:
    cache = BoundedCache(entries=8)
    made = []

    def make(number: int) -> int:
        made.append(number)
        return number

    for number in range(100):
        assert cache.get_or_make(number, lambda number=number: make(number)) == number  # type: ignore[misc]
        assert cache.get_or_make("often", lambda: make(-1)) == -1
        assert len(cache) <= 8
    assert made.count(-1) == 1
    assert all(later > earlier for earlier, later in pairwise(n for n in made if n >= 0))


def test_recent_values_are_found_without_making_them() -> None:
    cache = BoundedCache(entries=4)
    assert cache.get_recent("a") is None
    cache.get_or_make("a", lambda: 1)
    assert cache.get_recent("a") == 1
