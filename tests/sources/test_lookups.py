"""Requests for many names at once, and the answers of each service."""

import json

import pytest

from digestbot.errors import BadAnswer
from digestbot.secret import Secret
from digestbot.sources.enrichment import EnrichmentSettings
from digestbot.sources.lookups import (
    MAX_CHARS,
    MAX_NAMES,
    lookups,
    read_crossref,
    read_openalex,
    read_pubmed,
)

SERVICES = {each.service: each for each in lookups(EnrichmentSettings(), "me@example.org")}


def test_names_share_requests_within_bounds() -> None:
    names = [f"doi:10.1016/{'x' * (n % 90)}{n}" for n in range(300)]
    for lookup in SERVICES.values():
        batches = list(lookup.batches(names))
        assert [name for batch in batches for name in batch] == names
        assert all(len(batch) <= MAX_NAMES for batch in batches)
        assert all(sum(map(len, batch)) <= MAX_CHARS for batch in batches)


def test_a_doi_with_a_comma_is_asked_for_alone() -> None:
    names = ("doi:10.1016/a", "doi:10.1016/b,c")
    batches = list(SERVICES["crossref"].batches(names))
    assert sorted(batches) == [("doi:10.1016/a",), ("doi:10.1016/b,c",)]
    request = SERVICES["crossref"].request(("doi:10.1016/b,c",), "")
    assert request.url == "https://api.crossref.org/v1/works/10.1016%2Fb%2Cc"
    assert list(SERVICES["openalex"].batches(names)) == [("doi:10.1016/a",)]


def test_only_crossref_is_asked_for_a_pii() -> None:
    name = "pii:S0029549326001235"
    assert [list(each.batches([name])) for each in SERVICES.values()] == [[(name,)], [], []]
    request = SERVICES["crossref"].request((name, "doi:10.1/x"), "")
    assert request.params["filter"] == "alternative-id:S0029549326001235,doi:10.1/x"


def test_requests_name_the_contact_and_keys() -> None:
    settings = EnrichmentSettings(openalex_key=Secret("k1"), pubmed_key=Secret("k2"))
    crossref, openalex, pubmed = lookups(settings, "me@example.org")
    assert crossref.request(("doi:10.1/x",), "").params["mailto"] == "me@example.org"
    assert openalex.request(("doi:10.1/x",), "").params["api_key"] == "k1"
    assert pubmed.request(("doi:10.1/x",), "").params["api_key"] == "k2"
    assert pubmed.request(("doi:10.1/x",), "").params["email"] == "me@example.org"


def test_official_hosts_keep_their_pace_and_null_leaves_out() -> None:
    settings = EnrichmentSettings(interval=0 * EnrichmentSettings().interval, openalex_url=None)
    assert [(each.service, each.interval_s) for each in lookups(settings, None)] == [
        ("crossref", 1.0),
        ("pubmed", 0.34),
    ]


def test_a_work_of_crossref_is_known_by_doi_and_pii() -> None:
    work = {"DOI": "10.1016/X", "title": ["T"], "alternative-id": ["S0029-5493(26)00123-5"]}
    body = json.dumps({"message": {"items": [work]}}).encode()
    (answer,) = read_crossref(body, "").answers
    assert answer.names == {"doi:10.1016/x", "pii:S0029549326001235"}


@pytest.mark.parametrize("read", [read_crossref, read_openalex, read_pubmed])
def test_something_else_is_a_bad_answer(read: object) -> None:
    with pytest.raises(BadAnswer):
        read(b"<html>login</html>", "")  # type: ignore[operator]
