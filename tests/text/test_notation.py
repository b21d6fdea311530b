"""Which symbols a term finds, decided in the plainest way: from base, script and its place."""

from hypothesis import given
from hypothesis import strategies as st

from digestbot.text import canonical_words, compound_readings, forms
from digestbot.text.notation import accepted, bare, may_have_script, noted_symbol, offered

SIGNS = {"_": "₀₁₂₃", "^": "⁰¹²³"}
PLACES = ("", "_", "^")
BASES = ("H", "h", "T", "t", "R", "L", "CO")
DIGITS = "0123"

KNOWN_ON_THE_LINE = {"H0", "R2"}
KNOWN_POWERS = {"R2", "L2", "L1"}


def written(base: str, place: str, digit: str, *, as_sign: bool) -> str:
    """Write a symbol: H0, H_0, H₀."""
    return base + (SIGNS[place][int(digit)] if as_sign and place else place + digit)


def meant(term: tuple[str, str, str], text: tuple[str, str, str]) -> bool:
    """Return True if the symbol *term* (base, place, digit) finds the symbol *text*."""
    (base, place, digit), (other, other_place, other_digit) = term, text
    if digit != other_digit or base.lower() != other.lower():
        return False
    if place == other_place == "":
        return True  # case is ignored on the line
    if place and other_place:
        return (base, place) == (other, other_place)
    is_long = len(base) > 1
    if place:  # the text is on the line
        return is_long or (base == other and base + digit in KNOWN_ON_THE_LINE)
    if is_long or base.islower():
        return True  # no symbol of one letter, or typed without care
    is_power = other_place == "^"
    return base == other and (not is_power or base + digit in KNOWN_POWERS)


def finds(term: str, text: str) -> bool:
    """Return True if the single word *term* finds *text*, from the words and their forms."""
    (wanted,) = canonical_words(term)
    found = [word.text for word in canonical_words(text)]
    there = {*found, *(word for _, _, word in compound_readings(found))}
    return not forms(wanted.text).isdisjoint(there)


SYMBOLS = st.tuples(st.sampled_from(BASES), st.sampled_from(PLACES), st.sampled_from(DIGITS))


@given(SYMBOLS, SYMBOLS, st.booleans(), st.booleans())
def test_a_symbol_is_found_by_base_place_and_case(
    term: tuple[str, str, str], text: tuple[str, str, str], sign: bool, other: bool
) -> None:
    is_found = finds(written(*term, as_sign=sign), written(*text, as_sign=other))
    assert is_found is meant(term, text)


@given(SYMBOLS, st.booleans())
def test_a_symbol_finds_itself_in_both_notations(term: tuple[str, str, str], sign: bool) -> None:
    assert finds(written(*term, as_sign=sign), written(*term, as_sign=not sign))


def test_a_word_keeps_its_notation() -> None:
    assert noted_symbol("h0", "H₀") == noted_symbol("h0", "H_0") == "h0~_H0"
    assert noted_symbol("msun", "M_(Sun") == noted_symbol("msun", "M_sun") == "msun~_Msun"
    assert noted_symbol("l2", "L²", can_be_power=False) == "l2~^L2."
    assert (noted_symbol("in", "In"), noted_symbol("tc", "Tc")) == ("in", "tc~=Tc")
    assert bare("h0~_H0") == bare("h0") == "h0"


def test_a_text_offers_what_a_term_accepts() -> None:
    assert offered("unet~++") == ("unet", "unet~")
    assert accepted("unet~++") == {"unet~++", "unet"}
    assert accepted("lora~+") == {"lora~+"}
    assert offered("l2~_ℓ2") == ("l2~", "l2~l2", "l2~L2", "l2~_l2", "l2~_L2")
    assert offered("l2~^L2.") == ("l2~",)


def test_few_words_may_have_a_script() -> None:
    assert [word for word in ("co2", "neff", "raa", "sigma", "paper", "tc", "2023") if
            may_have_script(word)] == ["co2", "neff", "raa", "sigma"]  # fmt: skip
