"""Messages name the wrong key, its place, and the closest right one."""

import pytest

from digestbot.config.error_messages import clipped, did_you_mean, unknown


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("catgory", ("category", "title"), '; did you mean "category"?'),
        ("Category", ("category",), '; did you mean "category"?'),
        ("zzz", ("category", "title"), "; known keys: category, title"),
        ("zzz", tuple(f"key{n}" for n in range(30)), ""),
        ("zzz", (), "; no keys are defined"),
    ],
)
def test_a_hint_follows_from_the_known_keys(name: str, known: tuple[str, ...], hint: str) -> None:
    assert did_you_mean(name, known, "key") == hint


def test_an_unknown_key_is_named_with_its_place() -> None:
    message = unknown("key", "catgory", ("digests", "systems", "filter", "all", 0), ["category"])
    assert message == (
        'unknown key "catgory" in digests.systems.filter.all[0]; did you mean "category"?'
    )


def test_values_are_shown_on_one_short_line() -> None:
    assert clipped("a\n\tb\x07c" + "d" * 100) == ("a b c" + "d" * 55)
