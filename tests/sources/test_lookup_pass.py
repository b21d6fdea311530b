"""A run of look-ups is bounded, and a service that fails is left alone."""

import asyncio
import json

from digestbot.net import Client
from digestbot.sources.enrichment import EnrichmentSettings, Filling, Gaps
from digestbot.sources.lookup_pass import MAX_SPLITS, LookupPass, Query
from digestbot.sources.lookups import lookups
from digestbot.sources.parser_pool import in_thread
from tests.servers.web import Reply, WebServer


def looked_up(server: WebServer, count: int) -> LookupPass:
    settings = EnrichmentSettings(
        crossref_url=server.url,
        openalex_url=None,
        pubmed_url=None,
        interval=0 * EnrichmentSettings().interval,
    )
    queries = [
        Query(
            filling=Filling(gaps=Gaps(fields=frozenset({"abstract"}), doi=f"10.1/{n}", title="T")),
            services=frozenset({"crossref"}),
        )
        for n in range(count)
    ]

    async def run() -> LookupPass:
        async with Client(user_agent="test") as client:
            done = LookupPass(
                lookups=lookups(settings, None), client=client, parse=in_thread, limit_s=5.0
            )
            await done.look_up(queries)
            return done

    return asyncio.run(run())


def test_a_service_that_refuses_every_name_is_given_up() -> None:
    refusal = Reply(status=400, body=b'{"message": "no such filter"}')
    with WebServer.of(refusal) as server:
        done = looked_up(server, 40)
    assert done.requests <= MAX_SPLITS + 1
    assert "no such filter" in done.failures["crossref"].error


def test_an_unreadable_answer_is_a_failure() -> None:
    with WebServer.of(Reply(body=b"<html>")) as server:
        done = looked_up(server, 100)
    assert done.requests == 1
    assert done.failures["crossref"].is_late


def test_a_service_that_refuses_us_rests() -> None:
    with WebServer.of(Reply(status=403)) as server:
        done = looked_up(server, 1)
    assert not done.failures["crossref"].is_late
    assert done.failures["crossref"].rests_until is not None


def test_an_empty_answer_is_no_failure() -> None:
    body = json.dumps({"message": {"items": []}}).encode()
    with WebServer.of(Reply(body=body)) as server:
        done = looked_up(server, 100)
    assert (done.requests, done.failures, done.answered) == (3, {}, {"crossref"})
