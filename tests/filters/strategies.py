"""
Filters and announcements for properties, from few words so that many match.

Words share plurals, have accents and signs, or lack spaces between them; names have particles,
initials and commas.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from digestbot.filters import Filter, parse_filter
from digestbot.filters.parser import ATOMS
from digestbot.filters.tree import AllOf, AnyOf, Exact, Node, NoneOf, Regex, Words
from digestbot.model import Announcement, AnnounceType, Author, DocumentType
from digestbot.text import pack_words
from tests.factories import NOW, make_announcement, make_paper

WORDS = (
    "base", "bases", "basis", "gas", "gases", "loss", "losses", "matrix", "matrices", "axis",
    "axes", "axe", "C", "C++", "RAG", "rag", "RAGs", "Erdős", "erdos", "学习", "机器学习", "H₂O",
    "energy", "energetic", "energies", "for", "the", "O(n log n)", "cold-start", "½",
    "pre", "training", "pretraining", "pre-training", "pretrainings", "non linear", "gamma", "γ",
    "γ-ray", "gammaray", "H₀", "H_0", "H", "0", "N_eff", "x_i", "ξ", "CO2", "CO 2", "CO", "Bayes's",
    "Bayes'", "behaviour", "behaviors", "ResNet50", "ResNet", "50", "ResNet-50", "C II", "CII",
    "T_c", "Tc", "TC", "t_c", "T²", "T2", "UNet++", "UNet", "U-Net++", "LoRA+", "65 years old",
    "65+", "65", "Ω_b", "ω_b", "Omega b", "σ_Δ", "σ(Δ", "O(H²)", "R_(2.2)", "ℓ₂", "L2", "A100s",
    "A100", "Na+", "ion++", "in", "put", "input", "in-put", "a-b-c", "abc", "ab-c", "re-form",
    "reform",
)  # fmt: skip
NAMES = (
    "Ion Stoica", "I. Stoica", "Stoica, Ion", "Ivan Stoica", "Vincent van Gogh",
    "Gogh, Vincent van", "van Gogh", "V. Vangogh", "Ma Wei-Ying", "Wei-Ying Ma", "Ma", "李明",
    "Gabriel García Márquez", "García Márquez", "Marquez", "J.P. Morgan Jr.", "Jean Pierre Morgan",
    "de la Cruz", "Ana Delacruz", "Smith-Jones", "A. Smithjones", "Ben Carter", "RAG Basis",
    "Van Gogh", "Stoica I", "JP Morgan", "Gabriel Garcia", "Jörg Müller", "Mueller J", "MA Wei",
    "Ada Bee on behalf of the RAG and Basis Collaborations", "Basis Collaboration",
)  # fmt: skip
CATEGORIES = ("cs.LG", "cs.DC", "cs.NA", "math.NA", "stat.ML", "Genomics", "astro-ph", "J.3")
SOURCES = ("arxiv", "feed")
IDS = ("arxiv:2611.01234", "arxiv:2611.01235", "doi:10.1000/xyz")
DOIS = ("10.1000/xyz", "10.1000/ABC")

_words = st.sampled_from(WORDS)
_phrases = st.lists(_words, min_size=1, max_size=6).map(" ".join)
_terms = st.one_of(
    _words,
    _phrases,
    st.sampled_from(
        (
            "en*",
            "energ*",
            "e*",
            "axe*",
            "loss*",
            "学*",
            "ba*",
            "pre-train*",
            "pre train*",
            "behaviour*",
            "a b c*",
            "ResNet5*",
            "γ*",
            "H*",
            "T_c*",
            "UNet++*",
            "UN*",
        )
    ),
    st.tuples(_phrases, st.sampled_from(("en*", "a*", "学*", "train*", "b-c*"))).map(" ".join),
)
_values = {
    "author": st.sampled_from(NAMES),
    "category": st.sampled_from((*CATEGORIES[:5], "cs", "math", "stat.*", "genomics")),
    "primary": st.sampled_from(("cs.LG", "math", "cs.*")),
    "type": st.sampled_from(tuple(str(one) for one in AnnounceType)),
    "document": st.sampled_from(tuple(str(one) for one in DocumentType)),
    "source": st.sampled_from(SOURCES),
    "id": st.sampled_from(("2611.01234", "arxiv:2611.01235")),
    "doi": st.sampled_from(DOIS),
    "exact": st.one_of(_words, _phrases, st.sampled_from(("-start", "C+", "AG", "(n", "s"))),
    "regex": st.sampled_from(("(?i)rag", "^base", "ax[ei]s$", "losses? ", "学.")),
}


_queries = st.sampled_from((
    "ti:base ANDNOT abs:gas", "au:stoica OR cat:cs.LG", "all:erdos", 'abs:"matrix axis"', "co:loss",
    "submittedDate:[202601010000 TO 202611210800]",
    "lastUpdatedDate:[202611010000 TO 202612010000]",
))  # fmt: skip


def _first_letters(term: str) -> str:
    """Return the beginning of *term* as it is compared; terms of a `near` must not repeat."""
    atom = parse_filter(term).atoms()[0]
    return atom.words[0][:2] if isinstance(atom, Words) else term


def _atoms() -> st.SearchStrategy[Any]:
    """Generate every kind of condition, sometimes with a weight."""
    one = st.sampled_from(sorted(ATOMS.keys() - {""})).flatmap(
        lambda key: st.tuples(st.just(key), _values.get(key, _terms))
    )
    weights = st.sampled_from((0.1, 0.7, 2, -1, 0))
    near = st.lists(_words, min_size=2, max_size=3, unique_by=_first_letters)
    return st.one_of(
        st.tuples(_queries, weights).map(lambda two: {"query": two[0], "weight": two[1]}),
        st.tuples(near, weights).map(lambda two: {"near": two[0], "weight": two[1]}),
        _terms,
        one.map(lambda pair: dict([pair])),
        st.tuples(one, weights).map(lambda two: {**dict([two[0]]), "weight": two[1]}),
        st.tuples(st.just("title"), st.lists(_terms, min_size=1, max_size=3)).map(
            lambda pair: dict([pair])
        ),
    )


def _groups(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(children, min_size=1, max_size=4)
    return st.one_of(
        several,
        several.map(lambda them: {"any": them}),
        several.map(lambda them: {"all": them}),
        several.map(lambda them: {"none": them}),
        st.tuples(several, several).map(lambda two: {"any": two[0], "none": two[1]}),
        st.just({"all": []}),
        st.just({"none": []}),
    )


_trees = st.recursive(_atoms(), _groups, max_leaves=12)
_scored = st.tuples(_trees, st.sampled_from((-1, 0, 0.1, 1, 1.5, 2, 2.4, 3))).map(
    lambda two: {"all": [two[0]], "min_score": two[1]}
)
_written = st.one_of(_trees, _scored, st.none()).map(parse_filter)


def _in_fields(filter_: Filter, fields: tuple[str, ...]) -> Filter:
    """Move words, exact texts and patterns to other fields, as queries can."""
    return replace(filter_, root=_moved(filter_.root, fields))


def _moved(node: Node, fields: tuple[str, ...]) -> Node:
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        return replace(node, children=tuple(_moved(child, fields) for child in node.children))
    if isinstance(node, (Words, Exact, Regex)):
        return replace(node, fields=fields)
    return node


filters: st.SearchStrategy[Filter] = st.one_of(
    _written,
    _written,
    st.builds(
        _in_fields,
        _written,
        st.sampled_from((("author",), ("title", "comment", "author"), ("journal", "title"))),
    ),
)
"""Filters of any shape, with every kind of node."""

_texts = st.lists(
    st.tuples(_words, st.sampled_from((" ", " ", " ", "-", ", ", "s ", "\n", "\u0301 ", "\u200d"))),
    max_size=12,
).map(lambda words: "".join(word + after for word, after in words).strip())


@st.composite
def announcements(draw: st.DrawFn) -> Announcement:
    """Generate an announcement from the words, names and codes of `filters`."""
    categories = tuple(draw(st.lists(st.sampled_from(CATEGORIES), max_size=3, unique=True)))
    title, abstract = draw(_texts), draw(_texts)
    paper = make_paper(
        id=draw(st.sampled_from(IDS)),
        title=title,
        abstract=abstract,
        title_words=draw(st.sampled_from((None, pack_words(title)))),
        abstract_words=draw(st.sampled_from((None, pack_words(abstract), "0/1 other rules"))),
        comment=draw(st.one_of(st.none(), _texts)),
        journal_ref=draw(st.one_of(st.none(), _texts)),
        doi=draw(st.one_of(st.none(), st.sampled_from(DOIS))),
        authors=tuple(
            Author(name=name) for name in draw(st.lists(st.sampled_from(NAMES), max_size=3))
        ),
        categories=categories,
        primary_category=categories[0] if categories else None,
        published=draw(st.sampled_from((None, NOW, NOW - timedelta(days=100)))),
        url="https://example.org/1",
        pdf_url=None,
        document_type=draw(st.sampled_from(tuple(DocumentType))),
    )
    return make_announcement(
        paper=paper,
        type=draw(st.sampled_from(tuple(AnnounceType))),
        source=draw(st.sampled_from(SOURCES)),
    )
