"""MathML becomes LaTeX, and Unicode by way of it."""

import pytest

from digestbot.text import plain
from digestbot.text.mathml import replace_mathml
from tests.growth import is_linear

CASES = [
    ("<msub><mi>B</mi><mi>s</mi></msub>", "Bₛ", "an index"),
    ("<mfrac><mn>1</mn><mn>2</mn></mfrac>", "1/2", "a fraction"),
    (
        "<mmultiscripts><mi>Sn</mi><mprescripts/><none/><mn>100</mn></mmultiscripts>",
        "¹⁰⁰Sn",
        "an isotope",
    ),
    (
        "<semantics><msup><mn>10</mn><mrow><mo>-</mo><mn>3</mn></mrow></msup>"
        '<annotation encoding="application/x-tex">10^{-3}</annotation></semantics>',
        "10⁻³",
        "its TeX annotation",
    ),
    ("<msubsup><mi>H</mi><mn>0</mn><mn>2</mn></msubsup>", "H₀²", "both scripts"),
    ("<mover><mi>x</mi><mo>¯</mo></mover>", "x̄", "an accent"),
    ("<msub><mi>N</mi><mi>eff</mi></msub>", "N_eff", "a word as an index"),
    ("<msqrt><mi>s</mi></msqrt><mo>=</mo><mn>13</mn><mtext> TeV</mtext>", "√s=13 TeV", "words"),
    ("<msub><mi>CO</mi><mn>2</mn></msub>", "CO₂", "a formula of chemistry"),
    ("<mi>&alpha;</mi><mo>&lt;</mo><mn>1</mn>", "α<1", "names of HTML"),
    (
        "<munder><mi>lim</mi><mrow><mi>n</mi><mo>→</mo><mi>∞</mi></mrow></munder>",
        "lim_(n→∞)",
        "a limit",
    ),
]


@pytest.mark.parametrize(("inside", "shown", "why"), CASES, ids=lambda case: str(case)[-20:])
def test_mathml_is_shown_as_unicode(inside: str, shown: str, why: str) -> None:
    for source in (
        f'<math xmlns="http://www.w3.org/1998/Math/MathML">{inside}</math>',
        f"<MATH>{inside}</MATH>",
        f"<mml:math>{inside.replace('</', '</mml:').replace('<m', '<mml:m')}</mml:math>",
    ):
        assert plain(f"of {replace_mathml(source)} x") == f"of {shown} x", why


@pytest.mark.parametrize("source", ["<math", "<math><mi>x", "no formula", "<mathematics>", ""])
def test_what_is_no_formula_stays(source: str) -> None:
    assert replace_mathml(source) == source


def test_depth_and_length_are_bounded() -> None:
    deep = "<math>" + "<mrow>" * 5_000 + "x" + "</mrow>" * 5_000 + "</math>"
    assert "x" in replace_mathml(deep)
    assert len(replace_mathml(f"<math><mi>{'x' * 60_000}</mi></math>")) == 60_000


@pytest.mark.parametrize("unit", ["<math>", "<math></math>", "<math ", "math", "<mml:math>"])
def test_time_grows_with_the_length_only(unit: str) -> None:
    assert is_linear(lambda count: unit * count, replace_mathml, 2_000)
