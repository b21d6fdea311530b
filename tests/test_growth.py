"""The growth check tells linear from quadratic code."""

from tests.growth import is_linear


def test_linear_and_quadratic_code_differ() -> None:
    assert is_linear(
        lambda size: "x" * size, lambda text: text.count("y") + sum(map(ord, text)), 500_000
    )
    assert not is_linear(
        lambda size: size, lambda size: sum(1 for a in range(size) for _ in range(a)), 800
    )
