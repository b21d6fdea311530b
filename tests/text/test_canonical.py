"""Canonical words: compounds, positions, and words packed for the store."""

import json
from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.text import (
    canonical_words,
    compound_readings,
    compounds,
    pack_words,
    term_readings,
    unpack_words,
)
from digestbot.text.canonical import RULES

SPLIT = [
    ("Pre-training of state-of-the-art", "pre-training of state-of-the-art"),
    ("non linear, Post processing non, linear", "non-linear post-processing non linear"),
    ("(non-)linear Bose–Einstein em—dash", "non-linear bose-einstein em dash"),
    ("HEK 293 of 12 PM 2.5 a 100", "hek-293 of 12 pm-2 5 a 100"),
    ("[C II] [C ii] He I Part I In I, C. II", "c-ii c-ii he-i part i in i c ii"),
    ("TNFα, α-helix ΛCDM λ5007 Ly-α", "tnf-alpha alpha-helix lambda-cdm lambda-5007 ly~=Ly-alpha"),
    ("ν̄ₑ Ωₘ χ² 𝜎-algebra ϕ ϵ", "nu~_nu-e omega~_Omega-m chi~^chi-2 sigma-algebra phi epsilon"),
    ("158 μm µs μ-opioid Ελλάδα", "158 um us mu-opioid ελλαδα"),
    (
        "H₀ H_0 $H_0$ N_{eff} N_eff PM_(2.5)",
        "h0~_H0 h0~_H0 h0~_H0 neff~_Neff neff~_Neff pm2~_PM2 5",
    ),
    ("max_iter Omega_m x_i xᵢ", "max-iter omega~_Omega-m x-i x-i"),
    ("10⁻³ MoS₂-based YBa₂Cu₃O_(7-δ)", "10 3 mos2~_MoS2-based yba2cu3o7~_YBa2Cu3O7-delta"),
    ("Alzheimer's Alzheimer’s Bayes' it's O'Reilly", "alzheimer alzheimer bayes it o-reilly"),
    ("k-means++ UNet++ 65+ C++ C# F# A# CD4+", "k-means~++ unet~++ 65~+ c++ c# f# a cd4~+"),
    ("Na+ Ca²⁺ ca2+ HCO+ Dice+CE", "na+ ca2+ ca2+ hco+ dice ce"),
    ("ResNet50 Qwen2.5-VL YOLOv8n GPT4 word2vec", "resnet-50 qwen-2 5-vl yolo-v8n gpt4 word2vec"),
    ("BaTiO3 LiFePO₄ COVID19 CO2", "batio3 lifepo4~_LiFePO4 covid-19 co2"),
    ("mAP@50 C/C++ read/write 机器 ½", "map~=mAP-50 c c++ read write 机 器 1 2"),
    (
        "Tc TC pT fNL In Ti eV v2 N2O H2S",
        "tc~=Tc tc pt~=pT fnl~=fNL in ti ev v2~=v2 n2o~=N2O h2s~=H2S",
    ),
    (
        "aged 65 or 70 years old; ℓ² Lᵖ σ_Δ",
        "aged-65 or 70-years old l2~^ℓ2 lp~^Lp sigma~_sigma-delta~!delta",
    ),
    (
        "4.65 years old; 18 years Σ(Δ ψ(2S) σ* a δ · n",
        "4 65 years old 18 years sigma ~ delta psi 2s sigma ~ a delta ~ n",
    ),
    ("Group3M YOLO11m LAION2B", "group3m yolo-11m laion-2b"),
    ("0^¼ ½^2", "0-1 4 1 2-2"),
    ("— … -", ""),
]


@pytest.mark.parametrize(("text", "found"), SPLIT)
def test_text_splits_into_compounds(text: str, found: str) -> None:
    assert " ".join(compounds(text)) == found


def test_stored_words_of_other_rules_are_ignored() -> None:
    """A new case in SPLIT changes the checksum; a changed old case requires a new `RULES`."""
    split = json.dumps([compounds(text) for text, _ in SPLIT])
    assert (RULES.split("/")[0], crc32(split.encode())) == ("3", 3369921169)
    packed = pack_words("C++ for pre-training")
    assert packed == f"{RULES} c++ for pre-training"
    assert unpack_words(packed) == "c++ for pre-training"
    assert unpack_words(packed.replace(RULES, "0/15.0.0")) is None
    assert unpack_words(None) is None
    assert unpack_words(pack_words("—")) == ""


@given(st.one_of(st.text(), st.text(alphabet="aBHIV9+# -_'()^@.,βμ₂²é\x85\u0301"), st.text("a1 -")))
def test_packed_words_equal_those_with_positions(text: str) -> None:
    found = canonical_words(text)
    expected = "".join(("-" if word.is_attached else " ") + word.text for word in found)
    assert " ".join(compounds(text)) == expected.strip()
    assert unpack_words(pack_words(text)) == " ".join(compounds(text))
    assert all(0 <= word.start < word.end <= len(text) for word in found)
    assert all(a.end <= b.start or a[1:3] == b[1:3] for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A γ-ray burst", ["A", "γ", "ray", "burst"]),
        ("TNFα in Alzheimer's", ["TNF", "α", "in", "Alzheimer"]),
        ("N_eff of PM_(2.5)", ["N_eff", "of", "PM_(2", "5"]),
        ("ν̄ₑ UNet++ YOLOv8", ["ν̄", "ₑ", "UNet++", "YOLO", "v8"]),
    ],
)
def test_words_have_their_position_in_the_text(text: str, shown: list[str]) -> None:
    assert [text[word.start : word.end] for word in canonical_words(text)] == shown


def test_compounds_and_terms_are_read_joined() -> None:
    assert compound_readings(["up", "to", "date"]) == [
        (0, 2, "upto"), (0, 3, "uptodate"), (1, 3, "todate"),
    ]  # fmt: skip
    assert term_readings(["up", "to", "date"]) == []
    assert term_readings(["pre", "training"]) == [(0, 2, "pretraining")]
    assert term_readings(["10", "3"]) == term_readings(["p", "i"]) == []
    assert compound_readings(["re", "form"]) == compound_readings(["a", "r", "t"])[2:] == []


def test_a_long_compound_is_read_in_linear_time() -> None:
    assert len(compound_readings(["ab"] * 5000)) < 10_000
    assert len(canonical_words("HEK 1 " * 20_000)) == 40_000
