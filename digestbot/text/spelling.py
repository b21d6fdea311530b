"""
British and American spellings of one folded word.

Each rule exchanges one group of letters, in both directions. An ending alone is enough for
``-ise``; the other rules need a stem from a table, so that ``hour``, ``genre`` and ``filling`` keep
their spelling. A spelling that does not exist (``noize``) matches nothing. Begin at `spellings`.
"""

import re
from functools import cache, lru_cache

_OUR = (
    "behavi|col|fav|flav|hon|harb|hum|lab|neighb|rum|sav|tum|vap|vig|arm|ard|cand|clam|demean|"
    "endeav|glam|parl|ranc|rig|splend|succ|val|enam"
)
_L = (
    "model|label|travel|signal|channel|cancel|tunnel|level|fuel|initial|marvel|counsel|dial|panel|"
    "total|ravel|funnel|chisel|equal|swivel|shovel|spiral|rival|pedal|parcel|bevel|grovel|pencil|"
    "stencil|enamel|barrel|duel|quarrel|libel|jewel|carol"
)
_RULES = (
    (f"(?:{_OUR}|(?<![a-z])(?:mal)?od)", "our", "or", ".*"),
    (r"[a-z]{3}", "is", "iz", "e[drs]?|ers|ing|ations?|ational|able|ability"),
    (r"(?:anal|paral|catal|dial|rol)", "ys", "yz", "e[dr]?|ers|ing|able"),
    (r"(?:cent|fib|theat|calib|\bspect|\blust|meag|somb|\bsab)", "re", "er", "s?"),
    (r"(?:cent|fib|calib|\blust)", "red", "ered", ""),
    (r"(?:cent|calib)", "ring", "ering", ""),
    (r"\b(?:kilo|centi|(?:sub)?milli|micro|nano|deci)?(?:met|lit)", "re", "er", "s?"),
    (r"\b(?:cat|an|di|mon|hom|ep|pedag)(?:al|ol|il|)", "ogue", "og", "s?|ing"),
    (r"\b(?:catal|dial)", "ogued", "oged", ""),
    (r"\b(?:an|leuk|isch|glyc|hypoglyc|hyperglyc|septic|tox|ur|hypox|bacter)", "aemi", "emi",
     "as?|c"),
    (r"\b(?:h|ferroh|chloroh)", "aem", "em", "[ao].*"),
    (r"\b(?:an|)", "aesth", "esth", "e.*"),
    (r"\b(?:p|orthop|encyclop)", "aed", "ed", "[io].*"),
    (r"\b(?:gyn|f|c)", "aec", "ec", "ol.*|es|al"),
    (r"\b(?:arch|pal)", "aeo", "eo", ".*"),
    (r"\b", "aetiol", "etiol", "og.*"),
    (r"\b(?:c)", "aesi", "esi", "um"),
    (r"\bmedi", "aev", "ev", "al"),
    (r"\b", "oestr", "estr", "[ao].*"),
    (r"\b(?:gastro)?", "oesoph", "esoph", "ag.*"),
    (r"\b(?:my|lymph)?", "oedem", "edem", "a.*"),
    (r"\b", "foet", "fet", "us|uses|al"),
    (r"\bdiarrh", "oea", "ea", "l?"),
    (r"\bman", "oeuvr", "euver", "ing|able|ability"),
    (r"\bman", "oeuvre", "euver", "s?"),
    (r"\b", "coeliac", "celiac", ""),
    (f"(?:{_L})", "l", "", "ings?|e[dr]|ers|ors?"),
    (r"\b(?:fulfil|distil|instil|enrol)", "l", "", "s?|ments?"),
    (r"\b(?:skil|wil)", "l", "", "ful(?:ly|ness)?"),
    (r"\b(?:def|off|lic|pret)en", "ce", "se", "s?|less"),
    (r"\b(?:judg|acknowledg)", "e", "", "ments?"),
    (r"\bag", "e", "", "ing"),
    (r"\bgr", "ey", "ay", "|s|scale|ish|level"),
    (r"\bart", "e", "i", "facts?"),
    (r"\balumin", "i", "", "um"),
    (r".*", "sulph", "sulf", "[aiou].*"),
    (r"\bm", "ould", "old", "|s|ed|ing|y"),
    (r"\bs", "c", "k", "eptic(?:s|al|ism)?"),
)  # fmt: skip
"""What precedes, the two spellings, what follows."""


@lru_cache(maxsize=20_000)
def spellings(word: str) -> frozenset[str]:
    """
    Return *word* with its other spellings: ``behaviour``, ``behavior``.

    Symmetric: if *a* is a spelling of *b*, then *b* is a spelling of *a*.
    """
    found = {word}
    new = [word] if len(word) > 3 and word.isalpha() and word.isascii() else []
    while new:
        more = {_exchanged(match, table) for match, table in _matches(new.pop())} - found
        found |= more
        new += more
    return frozenset(found)


def _matches(word: str) -> list[tuple[re.Match[str], dict[str, str]]]:
    found = ((pattern.fullmatch(word), table) for pattern, table in _rules())
    return [(match, table) for match, table in found if match]


def _exchanged(match: re.Match[str], table: dict[str, str]) -> str:
    return match[1] + table[match[2]] + match[3]


# Compiled at the first word: it takes 30 ms, which most commands never need.
@cache
def _rules() -> tuple[tuple[re.Pattern[str], dict[str, str]], ...]:
    return tuple(
        (re.compile(f"(.*?{before})({one}|{other})({after})"), {one: other, other: one})
        for before, one, other, after in _RULES
    )
