"""Enrichment through the whole pipeline, against services on loopback that answer as recorded."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digestbot.config import Config, load_config
from digestbot.model import Announcement, DocumentType, FetchedPaper, Paper
from digestbot.pipeline import Enriched, enrich, enriching, fetch, fetching, make_editions
from digestbot.render import load_templates
from digestbot.sources.parser_pool import in_thread
from digestbot.store import Store, open_store
from digestbot.syncing import sync_config
from tests.servers.web import Reply, Request, WebServer

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
DAY = timedelta(days=1)
TITLE = "Serverless reactors at scale"
DOI = "10.1016/j.jnp.2026.100123"


class InThreads:
    """Parsers in threads, which start faster than processes."""

    def __init__(self, **_: object) -> None: ...
    async def __aenter__(self) -> Callable[..., Any]:
        return in_thread

    async def __aexit__(self, *_: object) -> None: ...


@pytest.fixture(autouse=True)
def parsers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse in threads, except in the test of the processes."""
    if "processes" not in request.node.name:
        for module in (enriching, fetching):
            monkeypatch.setattr(module, "ParserPool", InThreads)


def item(title: str = TITLE, *, doi: str | None = DOI, link: str = "", more: str = "") -> str:
    named = f"<dc:identifier>doi:{doi}</dc:identifier>" if doi else ""
    link = link or f"https://doi.org/{doi}"
    return f"<item><title>{title}</title><link>{link}</link>{named}{more}</item>"


def feed(*items: str) -> Reply:
    body = (
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>'
        f"<title>J</title>{''.join(items)}</channel></rss>"
    )
    return Reply(body=body.encode(), headers={"content-type": "application/rss+xml"})


def work(doi: str = DOI, **more: Any) -> dict[str, Any]:
    """Return a work of Crossref with all fields."""
    facts: dict[str, Any] = {
        "DOI": doi.upper(),
        "type": "journal-article",
        "title": [TITLE],
        "author": [{"given": "Ada", "family": "Xu", "affiliation": [{"name": "ETH"}]}],
        "abstract": "<jats:title>Abstract</jats:title><jats:p>Cold starts &amp; heat.</jats:p>",
        "container-title": ["Journal of Examples"],
        "volume": "7",
    }
    given = {key.replace("_", "-"): value for key, value in more.items()}
    return {key: value for key, value in (facts | given).items() if value is not None}


def as_json(data: object, status: int = 200, **headers: str) -> Reply:
    sent = {"content-type": "application/json", **headers}
    return Reply(status=status, body=json.dumps(data).encode(), headers=sent)


def crossref(*works: Mapping[str, Any]) -> Reply:
    return as_json({"status": "ok", "message": {"items": list(works)}})


def openalex(*works: Mapping[str, Any]) -> Reply:
    return as_json({"meta": {"count": len(works)}, "results": list(works)})


def no_record(request: Request) -> Reply:
    """Answer as the three services do that know nothing."""
    if request.path.endswith("esearch.fcgi"):
        return as_json({"esearchresult": {"count": "0"}})
    return as_json({"message": {"items": []}, "results": []})


@dataclass
class World:
    """A feed, the services at one server, and a store."""

    folder: Path
    store: Store
    journal: WebServer
    services: WebServer
    now: datetime = NOW
    keys: str = ""
    """Further keys of the source."""
    top: str = ""
    """Further keys of the config."""
    urls: dict[str, str] = field(default_factory=dict)

    def config(self) -> Config:
        urls = {
            "crossref_url": f"{self.services.url}/crossref",
            "openalex_url": f"{self.services.url}/openalex",
            "pubmed_url": f"{self.services.url}/pubmed",
            "interval": "0s",
            **self.urls,
        }
        path = self.folder / "config.yaml"
        path.write_text(
            f"sources: {{j: {{kind: feed, url: '{self.journal.url}', {self.keys}}}}}\n"
            f"enrichment: {json.dumps(urls)}\n{self.top}\n"
            "digests: {d: {filter: {any: [heat]}, deliver: [{folder: out}]}}\n"
        )
        return load_config(path, {})

    def run(self) -> Enriched:
        """Fetch and enrich, as a run does."""
        config = self.config()
        sync_config(self.store, config, self.now)
        asyncio.run(fetch(self.store, config, clock=lambda: self.now))
        return asyncio.run(enrich(self.store, config, ["j"], clock=lambda: self.now))

    def edition(self) -> int:
        """Make the digest's edition; return its number of papers."""
        config = self.config()
        (made,) = make_editions(
            self.store, config, load_templates(None), now=self.now, names=["d"], force=True
        )
        assert made.error is None
        return made.papers

    def log(self) -> tuple[Announcement, ...]:
        return tuple(self.store.papers.announcements(0, None, sources=None, types=None))

    def paper(self) -> Paper:
        (row,) = self.log()
        return row.paper

    def asked(self, service: str) -> list[Request]:
        return [each for each in self.services.requests if each.path.startswith(f"/{service}")]


@contextmanager
def world(
    folder: Path, services: Callable[[Request], Reply], *feeds: Reply, url: str = "sqlite://"
) -> Iterator[World]:
    with (
        WebServer.of(*feeds) as journal,
        WebServer(services) as server,
        open_store(url) as store,
    ):
        yield World(folder, store, journal, server)


def test_a_paper_with_a_doi_is_completed_before_it_is_matched(tmp_path: Path) -> None:
    with world(tmp_path, lambda _: crossref(work()), feed(item())) as w:
        done = w.run()
        assert (done.papers, done.completed, done.errors) == (1, 1, ())
        paper = w.paper()
        assert paper.abstract == "Cold starts & heat."
        assert [(a.name, a.affiliations) for a in paper.authors] == [("Ada Xu", ("ETH",))]
        assert paper.journal_ref == "J"  # of the feed
        assert w.edition() == 1
        assert len(w.services.requests) == 1  # nothing is missing after Crossref


def test_what_the_publisher_gave_stays(tmp_path: Path) -> None:
    more = "<dc:creator>Bo Li</dc:creator>"
    with world(tmp_path, lambda _: crossref(work()), feed(item(more=more))) as w:
        w.run()
        paper = w.paper()
        assert [a.name for a in paper.authors] == ["Bo Li"]
        assert paper.abstract == "Cold starts & heat."
        origins = w.store.enrichments.origins(paper.id, paper.version)
    assert origins["abstract"] == "crossref"
    assert "authors" not in origins


def test_parsers_run_in_processes(tmp_path: Path) -> None:
    with world(tmp_path, lambda _: crossref(work(author=None)), feed(item())) as w:
        assert w.run().completed == 1


def test_the_services_are_asked_in_turn_for_what_is_missing(tmp_path: Path) -> None:
    index = {"heat": [1], "Waste": [0]}

    def answer(request: Request) -> Reply:
        if request.path.startswith("/crossref"):
            return crossref(work(abstract=None))
        if request.path.startswith("/openalex"):
            found = {"id": "W1", "doi": f"https://doi.org/{DOI}", "title": TITLE}
            return openalex(found | {"abstract_inverted_index": index, "authorships": []})
        return no_record(request)

    with world(tmp_path, answer, feed(item())) as w:
        w.run()
        paper = w.paper()
        origins = w.store.enrichments.origins(paper.id, paper.version)
    assert (paper.abstract, paper.authors[0].name) == ("Waste heat", "Ada Xu")
    assert (origins["abstract"], origins["authors"]) == ("openalex", "crossref")
    assert not w.asked("pubmed")


def test_pubmed_is_searched_and_read(tmp_path: Path) -> None:
    article = (
        "<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>1</PMID><Article>"
        f"<ArticleTitle>{TITLE}.</ArticleTitle>"
        f'<ELocationID EIdType="doi" ValidYN="Y">{DOI}</ELocationID>'
        "<Abstract><AbstractText Label='AIM'>Less heat.</AbstractText></Abstract>"
        "<AuthorList><Author><LastName>Xu</LastName><ForeName>Ada</ForeName></Author></AuthorList>"
        "</Article></MedlineCitation></PubmedArticle></PubmedArticleSet>"
    )

    def answer(request: Request) -> Reply:
        if request.path.endswith("esearch.fcgi"):
            assert request.query["term"] == f'"{DOI}"[aid]'
            found = {"count": "1", "querykey": "1", "webenv": "X"}
            return as_json({"esearchresult": found})
        if request.path.endswith("efetch.fcgi"):
            return Reply(body=article.encode(), headers={"content-type": "text/xml"})
        return no_record(request)

    with world(tmp_path, answer, feed(item())) as w:
        w.run()
        paper = w.paper()
    assert (paper.abstract, paper.authors[0].name) == ("AIM: Less heat.", "Ada Xu")


@pytest.mark.parametrize(
    "link",
    [
        "https://www.sciencedirect.com/science/article/pii/S0029549326001235?dgcid=rss_sd_all",
        "https://www.thelancet.com/journals/x/article/PIIS0029-5493(26)00123-5/fulltext?rss=yes",
        "https://www.cell.com/x/fulltext/S0029-5493(26)00123-5?rss=yes",
    ],
)
def test_a_pii_leads_to_the_doi(tmp_path: Path, link: str) -> None:
    def answer(request: Request) -> Reply:
        assert request.query["filter"] == "alternative-id:S0029549326001235"
        return crossref(work(alternative_id=["S0029549326001235"]))

    with world(tmp_path, answer, feed(item(doi=None, link=link))) as w:
        w.run()
        paper = w.paper()
        assert (paper.doi, paper.abstract) == (DOI, "Cold starts & heat.")
        w.store.papers.ingest(
            "other",
            [FetchedPaper(id=f"doi:{DOI}", title=TITLE, abstract="", url="https://x.example/1")],
            {},
            NOW,
        )
        assert {row.paper.id for row in w.log()} == {paper.id}


def test_a_doi_learned_late_does_not_rename_a_stored_paper(tmp_path: Path) -> None:
    """Else the paper under the DOI would be announced once more, under the other id."""
    link = "https://www.sciencedirect.com/science/article/pii/S0029549326001235"
    both = (item("Other", doi=None, link=link), item())

    def answer(request: Request) -> Reply:
        return crossref(work(title=["Other"], alternative_id=["S0029549326001235"]))

    with world(tmp_path, answer, feed(*both), feed(*both, item("New", doi="10.1016/x"))) as w:
        w.run()
        before = {row.paper.id for row in w.log()}
        w.now += DAY
        w.run()
        after = [row.paper.id for row in w.log()]
    assert len(after) == len(set(after)) == 3
    assert before < set(after)


def test_an_answer_about_another_work_is_ignored(tmp_path: Path) -> None:
    other = work(title=["Dietary fibre of sheep"])
    with world(tmp_path, lambda _: crossref(other), feed(item())) as w:
        assert w.run().completed == 0
        assert w.paper().abstract == ""


def test_details_that_come_late_cause_no_second_delivery(tmp_path: Path) -> None:
    known: list[Reply] = []

    def answer(request: Request) -> Reply:
        is_crossref = request.path.startswith("/crossref")
        return known[0] if known and is_crossref else no_record(request)

    with world(tmp_path, answer, feed(item("Serverless heat reactors at scale"))) as w:
        w.run()
        assert w.edition() == 1
        known.append(crossref(work()))
        w.now += DAY
        assert w.run().completed == 1
        assert w.paper().abstract == "Cold starts & heat."
        assert len(w.log()) == 1
        assert w.edition() == 0


def test_an_unknown_paper_is_given_up_in_the_end(tmp_path: Path) -> None:
    with world(tmp_path, no_record, feed(item())) as w:
        for _ in range(20):
            w.run()
            w.now += DAY
        assert 4 <= len(w.asked("crossref")) <= 6
        assert w.store.enrichments.waiting() == {}


def test_a_complete_feed_causes_no_request(tmp_path: Path) -> None:
    more = f"<dc:creator>Bo Li</dc:creator><description>{'We study heat. ' * 30}</description>"
    with world(tmp_path, no_record, feed(item(more=more))) as w:
        assert w.run() == Enriched()
        assert not w.services.requests


@pytest.mark.parametrize(
    ("keys", "top"),
    [("enrich: false", ""), ("", "enrich: false"), ("enrich: false", "enrich: true")],
)
def test_enrich_false_sends_no_request(tmp_path: Path, keys: str, top: str) -> None:
    with world(tmp_path, no_record, feed(item())) as w:
        w.keys, w.top = keys, top
        assert w.run() == Enriched()
        assert not w.services.requests
        assert w.store.enrichments.waiting() == {}


def test_switching_off_ends_the_requests_for_queued_papers(tmp_path: Path) -> None:
    with world(tmp_path, lambda _: Reply(status=503), feed(item())) as w:
        w.run()
        asked = len(w.services.requests)
        w.keys, w.now = "enrich: false", NOW + DAY
        w.run()
        assert len(w.services.requests) == asked > 0


def test_a_feed_on_loopback_connects_to_loopback_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[object] = []
    resolve = socket.getaddrinfo

    def record(host: object, *arguments: Any, **more: Any) -> Any:
        looked_up.append(host)
        return resolve("127.0.0.1", *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    with world(tmp_path, no_record, feed(item())) as w:
        path = tmp_path / "config.yaml"
        path.write_text(
            f"sources: {{j: {{kind: feed, url: '{w.journal.url}'}}}}\n"
            "digests: {d: {deliver: [{folder: out}]}}\n"
        )
        config = load_config(path, {})
        asyncio.run(fetch(w.store, config, clock=lambda: NOW))
        assert asyncio.run(enrich(w.store, config, ["j"], clock=lambda: NOW)) == Enriched()
        assert w.store.papers.count() == 1
    assert {host for host in looked_up if host not in (b"127.0.0.1", "127.0.0.1")} == set()


def test_a_hanging_service_costs_a_part_of_the_deadline(tmp_path: Path) -> None:
    over = threading.Event()

    def answer(request: Request) -> Reply:
        if request.path.startswith("/crossref"):
            return Reply(wait_for=over)
        return openalex({"id": "W1", "doi": DOI, "title": TITLE, "authorships": [],
                         "abstract_inverted_index": {"heat": [0]}})  # fmt: skip

    try:
        with world(tmp_path, answer, feed(item())) as w:
            w.urls = {"deadline": "1.5s"}
            done = w.run()
            assert w.paper().abstract == "heat"
            over.set()
    finally:
        over.set()
    assert "no answer within 0.5 s" in done.errors[0]


def test_the_deadline_keeps_what_was_found(tmp_path: Path) -> None:
    over = threading.Event()

    def answer(request: Request) -> Reply:
        if request.path.startswith("/crossref"):
            return crossref(work(abstract=None))
        return Reply(wait_for=over)

    with world(tmp_path, answer, feed(item())) as w:
        w.urls = {"deadline": "1s"}
        w.run()
        over.set()
        assert [a.name for a in w.paper().authors] == ["Ada Xu"]
        assert w.store.enrichments.waiting() == {"j": 1}


@pytest.mark.parametrize("status", [429, 500, 503, 403])
def test_a_failing_service_is_asked_once_a_run(tmp_path: Path, status: int) -> None:
    with world(tmp_path, lambda _: Reply(status=status), feed(item())) as w:
        done = w.run()
        assert [len(w.asked(name)) for name in ("crossref", "openalex", "pubmed")] == [1, 1, 1]
        assert len(done.errors) == 3
        assert w.edition() == 0
        states = w.store.enrichments.services()
    assert [state.name for state in states] == ["crossref", "openalex", "pubmed"]
    assert all(str(status) in (state.last_error or "") for state in states)


def test_retry_after_is_obeyed_by_later_runs(tmp_path: Path) -> None:
    busy = Reply(status=429, headers={"retry-after": "7200"})
    with world(
        tmp_path, lambda _: busy, feed(item()), feed(item(), item("B", doi="10.1016/b"))
    ) as w:
        w.urls = {"deadline": "1s"}
        w.run()
        w.now += timedelta(hours=1, minutes=30)
        w.run()
        assert len(w.asked("crossref")) == 1
        w.now += timedelta(hours=1)
        w.run()
        assert len(w.asked("crossref")) == 2


def test_a_name_that_spoils_its_request_costs_only_itself(tmp_path: Path) -> None:
    dois = [f"10.1016/j.x.{n}" for n in range(16)]
    bad = dois[5]

    def answer(request: Request) -> Reply:
        if not request.path.startswith("/crossref"):
            return no_record(request)
        asked = [each.removeprefix("doi:") for each in request.query["filter"].split(",")]
        if bad in asked:
            return as_json({"message": [{"message": "bad filter"}]}, status=400)
        return crossref(*(work(doi) for doi in asked))

    items = [item(doi=doi, link=f"https://doi.org/{doi}") for doi in dois]
    with world(tmp_path, answer, feed(*items)) as w:
        w.keys = "newest: 50"
        done = w.run()
    assert (done.papers, done.completed) == (16, 15)


def test_many_papers_share_requests(tmp_path: Path) -> None:
    dois = [f"10.1016/j.x.{n}" for n in range(100)]

    def answer(request: Request) -> Reply:
        return crossref(*(work(each[4:]) for each in request.query["filter"].split(",")))

    items = [item(doi=doi, link=f"https://doi.org/{doi}") for doi in dois]
    with world(tmp_path, answer, feed(*items)) as w:
        w.keys = "newest: 100"
        assert w.run().completed == 100
        assert len(w.services.requests) == 3


def test_the_backlog_of_a_first_fetch_is_not_asked_for(tmp_path: Path) -> None:
    items = [item(doi=f"10.1016/j.x.{n}", link=f"https://x.example/{n}") for n in range(30)]
    with world(tmp_path, no_record, feed(*items)) as w:
        w.keys = "newest: 5"
        assert w.run().papers == 5


def test_a_second_look_up_changes_nothing(tmp_path: Path) -> None:
    with world(tmp_path, lambda _: crossref(work(author=None)), feed(item())) as w:
        w.run()
        before = w.paper()
        w.now += DAY
        assert w.run().completed == 0
        assert (w.paper(), len(w.log())) == (before, 1)


def test_a_later_abstract_of_the_publisher_wins(tmp_path: Path) -> None:
    more = f"<description>{'The abstract of the publisher, heat. ' * 9}</description>"
    with world(tmp_path, lambda _: crossref(work()), feed(item()), feed(item(more=more))) as w:
        w.run()
        w.now += DAY
        w.run()
        paper = w.paper()
        assert paper.abstract.startswith("The abstract of the publisher")
        assert "abstract" not in w.store.enrichments.origins(paper.id, paper.version)
        assert w.store.enrichments.origins(paper.id, paper.version)["authors"] == "crossref"


def test_a_retraction_is_learned_before_the_paper_is_sent(tmp_path: Path) -> None:
    retracted = work(updated_by=[{"type": "retraction", "DOI": "10.1016/r"}])
    with world(tmp_path, lambda _: crossref(retracted), feed(item())) as w:
        w.run()
        assert w.paper().document_type is DocumentType.RETRACTION


def test_the_publishers_notice_still_tells_the_readers(tmp_path: Path) -> None:
    """A retraction learned silently would make the publisher's own notice look known."""
    retracted = work(updated_by=[{"type": "retraction", "DOI": "10.1016/r"}])
    first = "Serverless heat reactors at scale"
    replies: Sequence[Reply] = (
        feed(item(first)),
        feed(item(first)),
        feed(item(f"RETRACTED: {first}")),
    )
    known: list[Reply] = []
    with world(tmp_path, lambda r: known[0] if known else no_record(r), *replies) as w:
        w.run()
        assert w.edition() == 1
        known.append(crossref(retracted))
        w.now += DAY
        w.run()
        assert w.edition() == 0
        w.now += DAY
        w.run()
        assert w.edition() == 1
