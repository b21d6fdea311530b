"""Paper ids in the forms that people and feeds use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import InvalidPaperId
from digestbot.ids import (
    PaperId,
    arxiv_order,
    arxiv_pdf_url,
    arxiv_url,
    normalise_doi,
    parse_paper_id,
)


@pytest.mark.parametrize(
    ("text", "paper_id", "version"),
    [
        ("2603.20941", "arxiv:2603.20941", None),
        ("2603.20941v2", "arxiv:2603.20941", 2),
        ("  2603.20941V2\n", "arxiv:2603.20941", 2),
        ("0704.0001", "arxiv:0704.0001", None),
        ("1412.9999v12", "arxiv:1412.9999", 12),
        ("1501.00001", "arxiv:1501.00001", None),
        ("2611.123456", "arxiv:2611.123456", None),
        ("arXiv:2603.20941v1", "arxiv:2603.20941", 1),
        ("arxiv:2603.20941", "arxiv:2603.20941", None),
        ("arXiv: 2603.20941", "arxiv:2603.20941", None),
        ("arXiv:2603.20941v2 [cs.DC] 21 Mar 2026", "arxiv:2603.20941", 2),
        ("oai:arXiv.org:2603.20941", "arxiv:2603.20941", None),
        ("oai:arXiv.org:2603.20941v3", "arxiv:2603.20941", 3),
        ("oai:arXiv.org:cs/0001001", "arxiv:cs/0001001", None),
        ("hep-th/9901001", "arxiv:hep-th/9901001", None),
        ("math.GT/0309136v2", "arxiv:math/0309136", 2),
        ("cond-mat.str-el/0703001", "arxiv:cond-mat/0703001", None),
        ("cmp-lg/9404001", "arxiv:cmp-lg/9404001", None),
        ("http://arxiv.org/abs/2603.20941v1", "arxiv:2603.20941", 1),
        ("https://arxiv.org/abs/2603.20941?context=cs#top", "arxiv:2603.20941", None),
        ("https://arxiv.org/pdf/2603.20941v1.pdf", "arxiv:2603.20941", 1),
        ("https://arxiv.org/pdf/2603.20941.PDF#page=3", "arxiv:2603.20941", None),
        ("https://www.arxiv.org/html/2603.20941v1/", "arxiv:2603.20941", 1),
        ("https://export.arxiv.org/abs/math.GT/0309136", "arxiv:math/0309136", None),
        ("arxiv.org/abs/hep-th%2F9901001v3", "arxiv:hep-th/9901001", 3),
        ("https://ar5iv.labs.arxiv.org/html/2603.20941", "arxiv:2603.20941", None),
        ("10.1000/XYZ", "doi:10.1000/xyz", None),
        ("doi:10.1000/xyz", "doi:10.1000/xyz", None),
        ("https://doi.org/10.1101/2026.01.02.123456", "doi:10.1101/2026.01.02.123456", None),
        ("http://dx.doi.org/10.1000%2Fxyz", "doi:10.1000/xyz", None),
        ("doi:https://doi.org/10.1000/xyz", "doi:10.1000/xyz", None),
        ("10.48550/arXiv.2603.20941", "arxiv:2603.20941", None),
        ("https://doi.org/10.48550/ARXIV.2603.20941v2", "arxiv:2603.20941", 2),
        ("10.48550/arXiv.math/0309136", "arxiv:math/0309136", None),
        ("feed:0123456789abcdef01234567", "feed:0123456789abcdef01234567", None),
    ],
)
def test_ids_are_read_in_every_common_form(text: str, paper_id: str, version: int | None) -> None:
    assert parse_paper_id(text) == PaperId(id=paper_id, version=version)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a paper id"),
        ("serverless", "not a paper id"),
        ("2603.20941v0", "not a paper id"),
        ("2603.20941v", "not a paper id"),
        ("2603.20941 2603.20942", "not a paper id"),
        ("x2603.20941", "not a paper id"),
        ("２６０３.20941", "not a paper id"),
        ("2603.20941v99999", "not a paper id"),
        ("0703.0001", "never issued"),
        ("2613.20941", "never issued"),
        ("2600.20941", "never issued"),
        ("2603.00000", "never issued"),
        ("math/0704001", "never issued"),
        ("hep-th/9106001", "never issued"),
        ("hep-th/9913001", "never issued"),
        ("recipes/0309136", 'no archive "recipes"'),
        ("hep-th/9901000", "no archive"),
        ("1412.99999", "too many digits"),
        ("2603.2094", 'quote it: "2603.20940"'),
        ("2603.209", 'quote it: "2603.20900"'),
        ("1412.999", 'quote it: "1412.9990"'),
        ("704.0001", 'quote it: "0704.0001"'),
        ("10.48550/arXiv.recipes", "not a paper id"),
        ("10.1/x", "not a DOI"),
        ("https://arxiv.org/list/cs.DC/new", "not a paper id"),
        ("https://example.org/abs/2603.20941", "not a paper id"),
        ("https://notarxiv.org/abs/2603.20941", "not a paper id"),
        ("http://[::1", "not a valid URL"),
        ("1" * 3000, "longer than any paper id"),
        ("arXiv:" * 300, "not a paper id"),
    ],
)
def test_invalid_ids_say_why(text: str, message: str) -> None:
    with pytest.raises(InvalidPaperId, match=r"^[^\n]{1,250}$") as error:
        parse_paper_id(text)
    assert message in str(error.value)


def test_dois_are_normalised_to_lower_case() -> None:
    assert normalise_doi("https://doi.org/10.1000/ABC.def;") == "10.1000/abc.def"
    assert normalise_doi("10.48550/arXiv.2603.20941") == "10.48550/arxiv.2603.20941"


def test_urls_of_a_paper() -> None:
    assert arxiv_url("arxiv:2603.20941", 2) == "https://arxiv.org/abs/2603.20941v2"
    assert arxiv_url("arxiv:hep-th/9901001") == "https://arxiv.org/abs/hep-th/9901001"
    assert arxiv_pdf_url("arxiv:2603.20941", 2) == "https://arxiv.org/pdf/2603.20941v2"
    with pytest.raises(InvalidPaperId, match="not an arXiv id"):
        arxiv_url("doi:10.1000/xyz")


@given(st.text(max_size=60))
def test_any_text_is_an_id_or_invalid(text: str) -> None:
    try:
        found = parse_paper_id(text)
    except InvalidPaperId:
        return
    assert parse_paper_id(found.id) == PaperId(id=found.id, version=None)


@given(
    st.integers(7, 99), st.integers(1, 12), st.integers(1, 9999), st.none() | st.integers(1, 9999)
)
def test_new_ids_survive_their_url(yy: int, mm: int, number: int, version: int | None) -> None:
    if (yy, mm) < (7, 4):
        return
    paper_id = f"arxiv:{yy:02}{mm:02}.{number:0{5 if yy >= 15 else 4}}"
    expected = PaperId(id=paper_id, version=version)
    assert parse_paper_id(arxiv_url(paper_id, version)) == expected
    assert parse_paper_id(arxiv_pdf_url(paper_id, version)) == expected


def test_order_of_arxiv_ids_is_that_of_their_announcement() -> None:
    """As text, 9107 would follow 0704, and five digits would precede four."""
    ids = ["hep-th/9107001", "math/9912999", "cs/0001001", "cs/0703150", "0704.0001", "0704.9999",
           "1412.9999", "1501.00001", "2611.99999", "2611.100000", "9108.00001"]  # fmt: skip
    orders = [arxiv_order(f"arxiv:{each}") for each in ids]
    assert orders == sorted(set(orders))


@pytest.mark.parametrize("text", ["doi:10.1000/x", "2611.00001", "arxiv:", "arxiv:2611.1v2"])
def test_order_of_other_ids_is_an_error(text: str) -> None:
    with pytest.raises(InvalidPaperId):
        arxiv_order(text)


@given(st.integers(7, 98), st.integers(4, 12), st.integers(1, 99_999))
def test_order_has_the_numbers_of_the_id(year: int, month: int, number: int) -> None:
    digits = 5 if year >= 15 else 4
    text = f"arxiv:{year:02}{month:02}.{number % 10**digits:0{digits}}"
    assert arxiv_order(text) == (2000 + year, month, number % 10**digits)
