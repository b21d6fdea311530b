"""
English plurals and singulars of folded words, both regular and scholarly.

Only true pairs count: ``physics`` is not the plural of ``physic``, nor ``news`` of ``new``, nor
``poses`` of ``POS``. Verbs are not stemmed: that would double the hits, and half of the additional
ones would be noise. Begin at `plural_forms`.
"""

from functools import lru_cache

from digestbot.text.symbols import names

_VOWELS = frozenset("aeiou")


def _pairs(*groups: tuple[str, str, str]) -> dict[str, tuple[str, ...]]:
    """Map singulars to plurals, given (stems, ending, ending of the plural)."""
    found: dict[str, tuple[str, ...]] = {}
    for stems, ending, plural in groups:
        for stem in stems.split():
            found[stem + ending] = (*found.get(stem + ending, ()), stem + plural)
    return found


_SCHOLARLY = _pairs(
    ("matr append hel rad submatr", "ix", "ices"),
    ("ind vert vort simpl cod cort ap lat subind", "ex", "ices"),
    ("radi nucle stimul loc foc fung modul tor alumn cact bacill termin calcul sulc", "us", "i"),
    ("hippocamp thalam syllab thesaur tumul annul bronch esophag nev embol", "us", "i"),
    ("corp subcorp", "us", "ora"),
    ("gen subgen", "us", "era"),
    ("formul alg larv antenn nebul supernov nov vertebr lacun lamin pup alumn amoeb", "a", "ae"),
    ("hyph axill papill tibi patell fibul scapul retin microalg", "a", "ae"),
    ("spectr dat medi bacteri strat quant moment optim maxim minim extrem infim", "um", "a"),
    ("suprem equilibri continu vacu curricul memorand symposi millenni consorti", "um", "a"),
    ("errat addend corrigend compendi atri ov ser sept phyl cili stadi aquari for", "um", "a"),
    ("desiderat endotheli epitheli crani bari referend colloqui ultimat", "um", "a"),
    ("criteri phenomen automat polyhedr tetrahedr octahedr icosahedr dodecahedr", "on", "a"),
    ("hedr gangli mitochondri tax protozo spermatozo", "on", "a"),
    ("schema stigma lemma stoma trauma dogma enigma stemma", "", "ta"),
    ("plat bur tabl chat", "eau", "eaux"),
    ("lea hal shel wol cal sel el loa thie hoo scar dwar wha shea", "f", "ves"),
    ("kni li wi", "fe", "ves"),
    ("hero echo potato tomato torpedo veto embargo cargo volcano mosquito tornado zero", "", "es"),
    ("buffalo mango motto halo domino memento", "", "es"),
    ("gas lens bus atlas canvas pancreas iris pelvis", "", "es"),
    ("gas bus", "", "ses"),
    ("quiz", "", "zes"),
    ("child", "", "ren"),
    ("ox", "", "en"),
    ("m wom layw chairw craftsm", "an", "en"),
    ("f", "oot", "eet"),
    ("g", "oose", "eese"),
    ("t", "ooth", "eeth"),
    ("m l", "ouse", "ice"),
    ("d", "ie", "ice"),
    ("pe", "rson", "ople"),
    ("ax test", "is", "es"),
)

# Words that only look like plurals, and function words without a plural.
_ALONE = names(
    """
    a an and are as at be been but by can did do does doing done each else even every few for
    from had has have having he her here hers him his how i if in into is it its just many may me
    might more most much must my no nor not of off on once or other our ours out over own perhaps
    same shall she should so some such than that the their theirs them then there these they this
    those thus to too under until up upon us very via was we were what when where whereas which
    while who whom whose why will with would yes yet you your yours new news less unless always
    across amongst besides sometimes towards afterwards overseas nowadays versus vs series species
    sheep chaos cosmos ethos kudos pathos asbestos thermos mars venus texas kansas paris athens
    james bayes stokes mathematics physics chess gps dns tls rms cms lhs rhs sms fps tts
    """
)

# Nouns in -ic that have a plural; the others (dynamic, robotic) are adjectives, and with an s the
# names of fields.
_COUNTED_IN_IC = names(
    """
    metric topic statistic heuristic characteristic logic tactic critic clinic fabric comic relic
    mosaic epidemic pandemic antibiotic lyric cubic quartic quadric conic plastic ceramic diagnostic
    demographic infographic tropic republic picnic panic attic geodesic asic nic academic skeptic
    polemic psychedelic diuretic analgesic anesthetic cosmetic mimic submetric subtopic quasimetric
    probiotic prebiotic narcotic medic
    """
)
# Nouns in -i and -u with a plural in -s; words in -is and -us are singular (basis).
_COUNTED_IN_I_U = names(
    """
    api kpi gui ski roi bci rabbi taxi alibi bikini wifi mri dpi hmi sdi hdi uti
    gpu cpu tpu npu dpu ipu xpu lpu mcu imu pmu gru ecu menu emu gnu guru
    """
)
# Nouns in -ie; other singulars in -ie do not exist, such as "querie" for "queries".
_COUNTED_IN_IE = names(
    """
    movie cookie zombie calorie genie prairie selfie rookie brownie magpie smoothie goalie hippie
    indie birdie foodie newbie auntie collie
    """
)
_NOT_IN_A = names("ga bia alia atla canva pancrea ha wa texa kansa pa va")
# Two-letter nouns with a vowel; "it" and "do" must not get a plural.
_COUNTED_PAIRS = names("ev av ap ue ui ip")


@lru_cache(maxsize=100_000)
def plural_forms(word: str) -> frozenset[str]:
    """
    Return *word* with its plurals and singulars: ``matrix``, ``matrices``, ``matrixes``.

    Symmetric: if *a* is a form of *b*, then *b* is a form of *a*. Some forms do not exist
    (``losse``); they match nothing. Numbers, words of other alphabets and words with signs
    (``c++``) have no other form.

    Args:
        word: One folded word, as returned by `words`.
    """
    if not (word.isascii() and word.isalnum()) or word.isdigit() or word in _ALONE:
        return frozenset((word,))
    singulars = (singular for singular in _candidates(word) if word in _plurals(singular))
    return frozenset((word, *_plurals(word), *singulars))


@lru_cache(maxsize=100_000)
def _plurals(word: str) -> tuple[str, ...]:
    if not word or word.isdigit() or word in _ALONE or word in _PLURALS_ONLY:
        return ()
    found = (*_SCHOLARLY.get(word, ()), *_regular(word))
    return tuple(plural for plural in found if plural not in _ALONE)


def _regular(word: str) -> tuple[str, ...]:
    if word.endswith("sis") and len(word) > 4 and word[-4] not in "su":
        return (word[:-2] + "es",)
    if word[-1] == "s":
        return (word + "es",) if _takes_es(word) else ()
    if len(word) > 2 and word.endswith(("x", "tz", "zz", "sh")):
        return (word + "es",)
    if word.endswith("ch") and len(word) > 3:
        return word + "es", word + "s"  # branches, epochs
    if word[-1] == "y" and len(word) > 2 and (word[-2] not in _VOWELS or word[-3:] == "quy"):
        return (word[:-1] + "ies",)
    return (word + "s",) if _takes_s(word) else ()


def _takes_es(word: str) -> bool:
    """Return True for words in -s such as loss, virus, alias; False for DoS, POS, CAS."""
    is_plural = word[:-1] in _COUNTED_IN_I_U
    return len(word) > 3 and word.endswith(("ss", "ias", "us")) and not is_plural


def _takes_s(word: str) -> bool:
    if word[-1].isdigit():
        return word[-2:-1].isdigit()  # A100s, but not H2S
    if len(word) < 3:
        return word in _COUNTED_PAIRS or (len(word) == 2 and not set(word) & (_VOWELS | {"y"}))
    if word.endswith("ic"):
        return word in _COUNTED_IN_IC
    if word[-1] in "iu":
        return word in _COUNTED_IN_I_U or word.endswith(("eau", "ou", "ai", "ei", "oi"))
    if word.endswith("ie") and len(word) > 3:
        return word in _COUNTED_IN_IE
    return word[-1] not in "xz" and word not in _NOT_IN_A


def _candidates(word: str) -> tuple[str, ...]:
    """Return possible singulars of *word*, to be verified with `_plurals`."""
    found = list(_SINGULARS.get(word, ()))
    if word.endswith("s"):
        found.append(word[:-1])
    if word.endswith("es"):
        found += (word[:-2], word[:-2] + "is")
    if word.endswith("ies"):
        found.append(word[:-3] + "y")
    return tuple(found)


def _inverted(pairs: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for singular, plurals in pairs.items():
        for plural in plurals:
            found[plural] = (*found.get(plural, ()), singular)
    return found


_SINGULARS = _inverted(_SCHOLARLY)
_PLURALS_ONLY = frozenset(_SINGULARS) - frozenset(_SCHOLARLY)
