"""arXiv's OAI-PMH answers: three formats, errors, tokens, hostile bytes."""

import contextlib
import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.errors import BadAnswer
from digestbot.model import AnnounceType, Author, DocumentType, FetchedPaper
from digestbot.sources.arxiv_oai import OaiAnswer, OaiRecord, parse
from tests.filters.tables import table

RAW = """<record><header>
  <identifier>oai:arXiv.org:2609.28194</identifier><datestamp>2026-09-24</datestamp>
  <setSpec>cs:cs:LG</setSpec><setSpec>eess:eess:IV</setSpec>
 </header><metadata><arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>2609.28194</id>
  <version version="v2"><date>Fri, 25 Sep 2026 06:31:45 GMT</date><size>1kb</size></version>
  <version version="v1"><date>Wed, 23 Sep 2026 14:33:19 GMT</date>
    <source_type>D</source_type></version>
  <title>On $a&lt;b$
  &amp; Erd\\H{o}s</title>
  <authors>Jos\\'e Bee (1), Ann Dee (1 and 2) ((1) Univ. of X, Y, (2) Z)</authors>
  <categories>cs.LG cs.CV eess.IV</categories><comments> 34 pages </comments>
  <journal-ref>J. X 1</journal-ref><doi>10.1000/AbC 10.1000/def</doi>
  <abstract>  For x&lt;y and
z&gt;w.
</abstract></arXivRaw></metadata></record>"""
STRUCTURED = """<record><header>
  <identifier>oai:arXiv.org:math/0309136</identifier><datestamp>2009-11-30</datestamp>
 </header><metadata><arXiv xmlns="http://arxiv.org/OAI/arXiv/"><id>math/0309136</id>
  <created>2003-09-05</created><updated>2004-01-02</updated>
  <authors><author><keyname>X Collaboration</keyname></author><author><keyname>:</keyname></author>
   <author><keyname>van der Bee</keyname><forenames>Ada M.</forenames><suffix>Jr</suffix>
    <affiliation>Univ. of X</affiliation><affiliation>Z</affiliation></author></authors>
  <title>0</title><categories>math.GT</categories><abstract>A</abstract>
 </arXiv></metadata></record>"""
DUBLIN_CORE = """<record><header>
  <identifier>oai:arXiv.org:0901.2443</identifier><datestamp>2009-01-19</datestamp></header>
 <metadata><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"
  xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>T</dc:title>
  <dc:creator>Özel, B.</dc:creator><dc:creator>von Dee, P.</dc:creator>
  <dc:description>The text</dc:description><dc:description>Comment: 5 pages</dc:description>
  <dc:date>2009-01-16</dc:date><dc:date>2009-01-18</dc:date>
  <dc:identifier>http://arxiv.org/abs/0901.2443</dc:identifier>
  <dc:identifier>doi:10.1000/x</dc:identifier></oai_dc:dc></metadata></record>"""
DELETED = """<record><header status="deleted"><identifier>oai:arXiv.org:2609.00001</identifier>
  <datestamp>2026-09-24</datestamp></header></record>"""


def answer(*parts: str) -> OaiAnswer:
    """Parse a list of records."""
    return parse(
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        "<responseDate>2026-09-24T04:10:00Z</responseDate>"
        f"<ListRecords>{''.join(parts)}</ListRecords></OAI-PMH>".encode()
    )


def only(*parts: str) -> OaiRecord:
    """Parse a list of one record."""
    (record,) = answer(*parts).records
    return record


def test_every_field_of_a_raw_record_is_read_as_served() -> None:
    assert only(RAW) == OaiRecord(
        version=2,
        datestamp=date(2026, 9, 24),
        sets=("cs:cs:LG", "eess:eess:IV"),
        first_submitted=datetime(2026, 9, 23, 14, 33, 19, tzinfo=UTC),
        paper=FetchedPaper(
            id="arxiv:2609.28194",
            version=2,
            type=AnnounceType.REPLACE,
            title="On $a<b$\n  & Erd\\H{o}s",
            abstract="  For x<y and\nz>w.\n",
            authors=(
                Author(name="Jos\\'e Bee", affiliations=("Univ. of X, Y",)),
                Author(name="Ann Dee", affiliations=("Univ. of X, Y", "Z")),
            ),
            categories=("cs.LG", "cs.CV", "eess.IV"),
            primary_category="cs.LG",
            published=datetime(2026, 9, 23, 14, 33, 19, tzinfo=UTC),
            updated=datetime(2026, 9, 25, 6, 31, 45, tzinfo=UTC),
            comment="34 pages",
            journal_ref="J. X 1",
            doi="10.1000/AbC",
            url="https://arxiv.org/abs/2609.28194v2",
            pdf_url="https://arxiv.org/pdf/2609.28194v2",
        ),
    )


def test_structured_authors_and_days_are_read() -> None:
    record = only(STRUCTURED)
    paper = record.paper
    assert (paper.id, paper.title, record.version) == ("arxiv:math/0309136", "0", None)
    assert paper.authors == (
        Author(name="X Collaboration"),
        Author(name="Ada M. van der Bee Jr", affiliations=("Univ. of X", "Z")),
    )
    assert record.first_submitted == paper.published == datetime(2003, 9, 5, tzinfo=UTC)
    assert paper.updated == datetime(2004, 1, 2, tzinfo=UTC)
    assert (paper.published_is_date, paper.updated_is_date) == (True, True)


def test_dublin_core_is_read() -> None:
    record = only(DUBLIN_CORE)
    paper = record.paper
    assert [author.name for author in paper.authors] == ["B. Özel", "P. von Dee"]
    assert (paper.abstract, paper.comment, paper.doi) == ("The text", "5 pages", "10.1000/x")
    assert (paper.published, paper.updated) == (
        datetime(2009, 1, 16, tzinfo=UTC),
        datetime(2009, 1, 18, tzinfo=UTC),
    )
    assert record.version is None


@pytest.mark.parametrize("flag", ["I", "DI"])
def test_a_version_without_files_is_a_withdrawal(flag: str) -> None:
    withdrawn = RAW.replace("<size>1kb</size>", f"<source_type>{flag}</source_type>")
    assert only(withdrawn).paper.document_type is DocumentType.WITHDRAWAL
    earlier = RAW.replace("<source_type>D<", "<source_type>I<")
    assert only(earlier).paper.document_type is DocumentType.PAPER


def test_a_withdrawal_in_words_is_found_without_a_flag() -> None:
    words = RAW.replace(" 34 pages ", "This paper has been withdrawn by the authors")
    assert only(words).paper.document_type is DocumentType.WITHDRAWAL


@pytest.mark.parametrize("token", ["<resumptionToken/>", "<resumptionToken> </resumptionToken>"])
def test_an_empty_token_ends_the_list(token: str) -> None:
    assert answer(RAW, token).token is None
    assert answer(RAW, '<resumptionToken cursor="0">a|1&amp;b </resumptionToken>').token == "a|1&b"


def test_errors_have_a_code_and_a_message() -> None:
    body = (
        b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-09-24T04:10:00Z'
        b'</responseDate><error code="noRecordsMatch">No\n records</error></OAI-PMH>'
    )
    assert parse(body) == OaiAnswer(
        response_date=datetime(2026, 9, 24, 4, 10, tzinfo=UTC),
        error=("noRecordsMatch", "No records"),
    )


def test_deleted_records_are_named() -> None:
    page = answer(DELETED, RAW)
    assert (page.deleted, len(page.records), page.count) == (("arxiv:2609.00001",), 1, 2)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("oai:arXiv.org:2609.28194", "oai:arXiv.org:2613.28194"),
        ("oai:arXiv.org:2609.28194", "10.1000/x"),
        ("<datestamp>2026-09-24</datestamp>", "<datestamp>2026-09-31</datestamp>"),
        ("header>", "head>"),
        ("metadata>", "about>"),
        ("arXivRaw", "marc"),
        ('version="v', 'version="'),
        ("title>", "name>"),
    ],
)
def test_a_broken_record_costs_itself_only(
    old: str, new: str, caplog: pytest.LogCaptureFixture
) -> None:
    page = answer(RAW.replace(old, new), STRUCTURED)
    assert [record.paper.id for record in page.records] == ["arxiv:math/0309136"]
    assert (page.skipped, page.count) == (1, 2)
    assert "unreadable record skipped" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Rate exceeded.</body></html>",
        b"<OAI-PMH><ListRecords><record>",
        b'<feed xmlns="http://www.w3.org/2005/Atom"/>',
        b"<!DOCTYPE OAI-PMH [<!ENTITY a 'b'>]><OAI-PMH>&a;</OAI-PMH>",
    ],
)
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        parse(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadAnswer):
        parse(body)
    with contextlib.suppress(BadAnswer):
        parse(b"<OAI-PMH><ListRecords>" + RAW.encode()[: len(body) * 5] + body)


def recorded(path: Path) -> OaiAnswer:
    """Parse a recorded answer, or one of its records alone in an envelope."""
    body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if b"<OAI-PMH" not in body:
        record = body[body.index(b"<record") :]
        body = b"<OAI-PMH><GetRecord>" + record + b"</GetRecord></OAI-PMH>"
    return parse(body)


@pytest.mark.corpus
def test_recorded_answers_are_read_completely(corpus: Path) -> None:
    folders = (corpus / "arxiv-oai", corpus / "services" / "arxiv-oai")
    paths = [path for folder in folders for path in folder.rglob("*.xml*")]
    assert len(paths) >= 19
    pages = [recorded(path) for path in paths]
    assert not [path for path, page in zip(paths, pages, strict=True) if page.skipped]
    assert all(page.records for page in pages)
    papers = [record.paper for page in pages for record in page.records]
    assert all(paper.title.strip() and paper.authors and paper.published for paper in papers)


@pytest.mark.corpus
@pytest.mark.parametrize("row", table("oai_records.tsv"), ids=lambda row: row[-1])
def test_recorded_values_are_as_checked_by_eye(row: list[str], corpus: Path) -> None:
    file, paper_id, version, datestamp, first, latest, count, *texts, _ = row
    name, last, affiliation, categories, doi = texts
    records = {record.paper.id: record for record in recorded(corpus / file).records}
    record = records[paper_id]
    paper = record.paper
    assert (record.version, f"{record.datestamp}") == (int(version) if version else None, datestamp)
    moments = tuple(f"{at:%Y-%m-%dT%H:%M:%S}" for at in (paper.published, paper.updated))
    assert moments == (first, latest)
    assert len(paper.authors) == int(count)
    assert (paper.authors[0].name, paper.authors[-1].name) == (name, last)
    assert next(iter(paper.authors[0].affiliations), "") == affiliation
    assert " ".join(paper.categories) == categories
    assert (paper.doi or "") == doi
