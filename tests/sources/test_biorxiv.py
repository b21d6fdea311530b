"""bioRxiv and medRxiv: versions, withdrawals, published DOIs, and the debris in abstracts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digestbot.errors import BadAnswer
from digestbot.model import AnnounceType, DocumentType, FetchedPaper
from digestbot.sources.biorxiv import BiorxivOptions, read_page, without_debris
from digestbot.sources.web_api import ApiPage, Window
from tests.servers.biorxiv import entry
from tests.sources.conformance import NOW, make_works

WINDOW = Window(floor=NOW - timedelta(days=7), since=NOW, until=NOW)


def page(*entries: dict[str, Any], status: str = "ok", total: str = "900", **keys: Any) -> ApiPage:
    message = {"status": status, "cursor": 0, "count": len(entries), "total": total}
    body = json.dumps({"messages": [message], "collection": list(entries)}).encode()
    return read_page(body, keys.pop("cursor", ""), **keys)


def paper(**fields: Any) -> FetchedPaper:
    return page(entry(make_works(1)[0]) | fields).records[0].paper


def test_a_later_version_is_a_replacement_of_its_day() -> None:
    found = paper(version="3", date="2026-11-20")
    assert (found.version, found.type) == (3, AnnounceType.REPLACE)
    assert (found.published, found.updated_is_date) == (None, True)
    assert found.updated == datetime(2026, 11, 20, tzinfo=UTC)
    assert found.pdf_url == "https://www.biorxiv.org/content/10.5555/work.1v3.full.pdf"


def test_versions_of_one_work_are_records_of_their_own() -> None:
    """Even with another title: the DOI is not shared by different papers."""
    one = entry(make_works(1)[0])
    found = page(one, one | {"version": "2", "title": "Another title"}).records
    assert [record.key[-2:] for record in found] == ["v1", "v2"]
    assert {record.paper.id for record in found} == {"doi:10.5555/work.1"}


def test_a_published_preprint_knows_its_journal_version() -> None:
    found = paper(published="10.7554/eLife.98218")
    assert found.aliases[:2] == ("doi:10.5555/work.1", "doi:10.7554/elife.98218")
    assert found.comment == "published as 10.7554/eLife.98218"
    assert paper(published="NA").comment is None


@pytest.mark.parametrize("fields", [{"type": "withdrawn"}, {"title": "WITHDRAWN: A study"}])
def test_withdrawn_preprints_are_told_apart(fields: dict[str, str]) -> None:
    assert paper(**fields).document_type is DocumentType.WITHDRAWAL


def test_medrxiv_has_its_own_pages() -> None:
    found = paper(server="medRxiv", type="PUBLISHAHEADOFPRINT")
    assert found.journal_ref == "medRxiv"
    assert found.document_type is DocumentType.PAPER
    assert str(found.pdf_url).startswith("https://www.medrxiv.org/")


def test_the_next_page_follows_the_records_received() -> None:
    """Pages had 100 records, and have 30 now."""
    entries = [entry(work) for work in make_works(30)]
    assert page(*entries, cursor="60").cursor == "90"
    assert page(*entries, cursor="60", total="90").cursor is None
    assert page(status="no posts found").cursor is None


def test_other_categories_are_ignored() -> None:
    entries = [entry(work) for work in make_works(2)]
    entries[1]["category"] = "Zoology"
    found = page(*entries, categories=("zoology", "ecology"))
    assert [record.key for record in found.records] == ["10.5555/work.2v1"]
    assert (found.ignored, found.skipped, found.cursor) == (1, 0, "2")


def test_one_category_is_searched_by_the_service() -> None:
    one = BiorxivOptions(server="medrxiv", categories=("Pain_medicine",)).request(WINDOW, "")
    assert one.url == ("https://api.biorxiv.org/details/medrxiv/2026-11-16/2026-11-24/0/json")
    assert one.params == {"category": "pain_medicine"}
    two = BiorxivOptions(categories=("zoology", "ecology")).request(WINDOW, "30")
    assert two.params == {}
    assert two.url.endswith("/30/json")


@pytest.mark.parametrize(
    "body",
    [b'{"messages":[{"status":"Error"}],"collection":[]}', b'{"messages":[{"status":"ok"}]}'],
)
def test_errors_of_the_service_are_told(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="bioRxiv answered with an error"):
        read_page(body, "")


def test_unreadable_records_are_counted() -> None:
    good = entry(make_works(1)[0])
    found = page(good, good | {"title": ""}, good | {"doi": "x"}, {})
    assert (len(found.records), found.skipped) == (1, 3)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("PTP{sigma} and {beta}-actin, {Delta}H", "PTPσ and β-actin, ΔH"),
        ("5 {micro}M at 37 {degrees}C, {+/-}2, {lambda}", "5 µM at 37 °C, ±2, λ"),
        ("a set {x, y} and {unknown}", "a set {x, y} and {unknown}"),
        ("PointsO_LIOne thing.\nC_LIO_LITwo.C_LI End", "Points\nOne thing.\nTwo.\nEnd"),
        ("PO_SCPLOWEAFOWLC_SCPLOW is fast", "PEAFOWL is fast"),
        ("O_ST_ABSBackgroundC_ST_ABSWe look.", "Background: We look."),
        (
            'It works.\n\nGraphical abstract\n\nO_FIG O_LINKSMALLFIG WIDTH=200 SRC="FIGDIR/1.gif" '
            'ALT="Figure 1">\nView larger version (18K):\norg.highwire.dtl.DTLVardef@5e41c0org.'
            "highwire.dtl.DTLVardef@2ed9_HPS_FORMAT_FIGEXP  M_FIG C_FIG",
            "It works.",
        ),
        ("before O_TBL View this table: x C_TBL after", "before  after"),
        ("genes NO_LIMIT and MO_LI_x", "genes NO_LIMIT and MO_LI_x"),
        ("a plain text", "a plain text"),
    ],
)
def test_debris_is_removed(text: str, clean: str) -> None:
    assert without_debris(text) == clean
