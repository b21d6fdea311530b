"""Papers from the facts of web APIs: plain texts, one id for one work."""

from dataclasses import replace

import pytest

from digestbot.model import AnnounceType, Author, DocumentType
from digestbot.sources.api_papers import (
    Facts,
    author,
    day_of,
    paper_from,
    plain_abstract,
    plain_title,
)
from digestbot.sources.dates import parse_date

FACTS = Facts(
    guid="https://pubmed.ncbi.nlm.nih.gov/123",
    title="A study",
    authors=(Author(name="Ada Xu"),),
    identifiers=("10.5555/ABC",),
)


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("A study.", "A study"),
        ("[Eine Studie].", "Eine Studie"),
        ("[Corrected] A study", "[Corrected] A study"),
        ("Why study?", "Why study?"),
        ("And so on...", "And so on..."),
        ("Health in the U.S.", "Health in the U.S."),
        ("Reply to Xu et al.", "Reply to Xu et al."),
        ("A genome of <i>Vibrio</i> sp.", "A genome of Vibrio sp."),
        ("H<sub>2</sub>O in <scp>DNA</scp> &amp; 10<sup>-3</sup> M", "H₂O in DNA & 10⁻³ M"),
        ("m&lt;sup&gt;6&lt;/sup&gt;A", "m⁶A"),
        ("The genome of\n    <i>E. coli</i>\n    str. 1", "The genome of E. coli str. 1"),
        ("if a<b and c>d", "if a<b and c>d"),
        ("  ", ""),
    ],
)
def test_titles_become_plain(title: str, plain: str) -> None:
    assert plain_title(title) == plain


@pytest.mark.parametrize(
    ("abstract", "plain"),
    [
        ("<jats:title>Abstract</jats:title><jats:p>We show.</jats:p>", "We show."),
        ("AbstractThe genes", "The genes"),
        ("Abstract: We show.", "We show."),
        ("Abstract meaning representation is", "Abstract meaning representation is"),
        ("Abstract Meaning Representation is", "Abstract Meaning Representation is"),
        ("<h4>Aim</h4>This.<h4>Result</h4>That.", "Aim\nThis.\nResult\nThat."),
        ("Summary", ""),
    ],
)
def test_abstracts_become_plain(abstract: str, plain: str) -> None:
    assert plain_abstract(abstract) == plain


def test_a_doi_is_the_id_and_all_names_are_aliases() -> None:
    found = paper_from(replace(FACTS, pages=("https://www.x.example/1/",)))
    assert found is not None
    assert found.id == "doi:10.5555/abc"
    assert found.aliases[:2] == ("doi:10.5555/abc", "pmid:123")
    assert found.aliases[-1] == "url://x.example/1"
    assert found.url == "https://doi.org/10.5555/abc"


def test_an_arxiv_id_goes_before_a_doi() -> None:
    names = ("10.5555/abc", "https://arxiv.org/abs/2603.20941v2")
    found = paper_from(replace(FACTS, identifiers=names))
    assert found is not None
    assert (found.id, found.version) == ("arxiv:2603.20941", 2)
    assert "doi:10.5555/abc" in found.aliases
    assert found.url == "https://arxiv.org/abs/2603.20941"


def test_without_a_doi_the_page_is_the_id_at_every_service() -> None:
    one, two = (
        paper_from(replace(FACTS, identifiers=())),
        paper_from(replace(FACTS, identifiers=("",))),
    )
    assert one is not None
    assert one == two
    assert one.id.startswith("feed:")
    assert one.url == "https://pubmed.ncbi.nlm.nih.gov/123"


def test_links_that_works_may_share_are_no_names() -> None:
    found = paper_from(replace(FACTS, links=("https://repository.example/",)))
    assert found is not None
    assert not [name for name in found.aliases if "repository" in name]


def test_versions_have_their_announce_type() -> None:
    found = paper_from(replace(FACTS, version=3))
    assert found is not None
    assert (found.version, found.type) == (3, AnnounceType.REPLACE)


def test_a_notice_names_its_subject() -> None:
    notice = replace(FACTS, types=("retraction",), about="10.5555/SUBJECT")
    found = paper_from(notice)
    assert found is not None
    assert found.document_type is DocumentType.RETRACTION
    assert found.about == "doi:10.5555/subject"
    for other in ("10.5555/abc", "10.5555/1 10.5555/2"):
        unclear = paper_from(replace(notice, about=other))
        assert unclear is not None
        assert unclear.about is None


def test_a_record_without_a_title_is_no_paper() -> None:
    assert paper_from(replace(FACTS, title="<i> </i>")) is None


def test_unsafe_links_are_dropped() -> None:
    found = paper_from(
        replace(FACTS, identifiers=(), guid="x", links=("javascript:1",), pdf="file:///etc/passwd")
    )
    assert found is not None
    assert (found.url, found.pdf_url) == ("", None)


def test_authors_lose_markup_and_email_addresses() -> None:
    found = author("Ada <b>Xu</b>", ["Uni X. Electronic address: ada@x.example.", " ", "Uni X."])
    assert found == Author(name="Ada Xu", affiliations=("Uni X.",))
    assert author(" ") is None


@pytest.mark.parametrize(
    ("parts", "day"),
    [
        (("2026", "6", "12"), "2026-06-12"),
        (("2026", "Jun", "2"), "2026-06-02"),
        (("2026", "06", ""), None),
        (("2026", "", ""), None),
        (("2026", "Summer", "1"), None),
        (("2026", "2", "30"), None),
        (("", "", ""), None),
    ],
)
def test_days_are_whole_or_absent(parts: tuple[str, str, str], day: str | None) -> None:
    found = day_of(*parts)
    assert found == (parse_date(day) if day else None)
