"""
Mutated answers of web APIs, and two properties of their parsers that hold for any of them.

A parser returns sound records or raises one clear `BadAnswer`; and a record that is damaged among
good ones costs itself at most. The mutations are those of `feed_fuzz`. Begin at `check`.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lxml import etree

from digestbot.errors import BadAnswer
from digestbot.sources import (
    biorxiv,
    crossref,
    dblp,
    europepmc,
    huggingface,
    openalex,
    openreview,
    pubmed,
    semanticscholar,
)
from digestbot.sources.web_api import ApiPage, ReadPage
from tests.servers import biorxiv as biorxiv_server
from tests.servers import crossref as crossref_server
from tests.servers import dblp as dblp_server
from tests.servers import europepmc as europepmc_server
from tests.servers import huggingface as huggingface_server
from tests.servers import openalex as openalex_server
from tests.servers import openreview as openreview_server
from tests.servers import pubmed as pubmed_server
from tests.servers import semanticscholar as semanticscholar_server
from tests.sources.conformance import Work, make_works
from tests.sources.feed_fuzz import change_tree, changed_json, check_paper, check_words

SEEDS = Path(__file__).parent.parent / "data" / "api_seeds"
MAX_CURSOR = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """A parser, its cursor, and how an answer with some records looks."""

    read: ReadPage
    wrap: Callable[[Sequence[bytes]], bytes]
    """Records as the service writes them → a whole answer."""
    record: Callable[[Work], Any]
    cursor: str = ""


def _wrapped(name: str, more: str) -> Callable[[Sequence[bytes]], bytes]:
    def wrap(records: Sequence[bytes]) -> bytes:
        opening, closing = more.split("…")
        return opening.encode() + f'"{name}":['.encode() + b",".join(records) + closing.encode()

    return wrap


def _articles(records: Sequence[bytes]) -> bytes:
    opening = f"{pubmed_server.DOCTYPE}<PubmedArticleSet>".encode()
    return opening + b"".join(records) + b"</PubmedArticleSet>"


PARSERS: dict[str, Parser] = {
    "biorxiv": Parser(
        read=biorxiv.read_page,
        wrap=_wrapped("collection", '{"messages":[{"status":"ok"}],…]}'),
        record=biorxiv_server.entry,
    ),
    "crossref": Parser(
        read=crossref.read_page,
        wrap=_wrapped("items", '{"message":{…]}}'),
        record=crossref_server.item,
    ),
    "dblp": Parser(
        read=partial(dblp.read_page, years=(2025, 2026)),
        wrap=_wrapped("hit", '{"result":{"hits":{"@total":"9",…]}}}'),
        record=lambda work: {"info": dblp_server.info(work)},
    ),
    "dblp-xml": Parser(
        read=dblp.read_xml,
        wrap=lambda records: b"<result><hits>" + b"".join(records) + b"</hits></result>",
        record=dblp_server.hit,
    ),
    "huggingface": Parser(
        read=partial(huggingface.read_page, first="2026-11-19", last="2026-11-23"),
        wrap=lambda records: b"[" + b",".join(records) + b"]",
        record=huggingface_server.entry,
    ),
    "openreview": Parser(
        read=partial(openreview.read_page, venue=openreview_server.VENUE),
        wrap=_wrapped("notes", '{"count":9,…]}'),
        record=openreview_server.note,
    ),
    "semanticscholar": Parser(
        read=semanticscholar.read_page,
        wrap=_wrapped("data", '{"total":9,"token":"T",…]}'),
        record=semanticscholar_server.entry,
    ),
    "europepmc": Parser(
        read=europepmc.read_page,
        wrap=_wrapped("result", '{"resultList":{…]}}'),
        record=europepmc_server.result,
    ),
    "openalex": Parser(
        read=openalex.read_page, wrap=_wrapped("results", "{…]}"), record=openalex_server.result
    ),
    "pubmed": Parser(
        read=pubmed.read_page,
        wrap=_articles,
        record=pubmed_server.article,
        cursor=json.dumps({"history": "x", "count": 9, "days": []}),
    ),
    "pubmed-search": Parser(
        read=pubmed.read_page,
        wrap=lambda _: b'{"esearchresult":{"count":"0"}}',
        record=lambda _: {},
    ),
}


def check_answer(name: str, body: bytes) -> ApiPage | None:
    """Parse *body*; fail unless it gives sound records or one clear error."""
    parser = PARSERS[name]
    try:
        page = parser.read(body, parser.cursor)
    except BadAnswer as error:
        check_words(str(error))
        return None
    assert page.cursor is None or 0 < len(page.cursor) <= MAX_CURSOR
    assert page.total is None or page.total >= 0
    assert page.note is None or page.note.isprintable()
    for record in page.records:
        assert record.key.strip()
        assert record.at is None or record.at.utcoffset() is not None
        assert record.paper.aliases
        assert record.paper.title.split() == record.paper.title.split(" "), record.paper.title
        check_paper(record.paper)
    return page


def good_records(name: str) -> list[bytes]:
    """Return three records that the parser *name* reads."""
    return [_written(PARSERS[name].record(work)) for work in make_works(3)]


def check_neighbors(name: str, record: bytes, at: int) -> None:
    """Fail unless good records with *record* among them at *at* give what they give alone."""
    parser, good = PARSERS[name], good_records(name)
    alone = parser.read(parser.wrap(good), parser.cursor).records
    assert len(alone) == len(good)
    together = parser.read(parser.wrap([*good[:at], record, *good[at:]]), parser.cursor)
    assert [each for each in together.records if each in alone] == list(alone), record


def damaged_record(name: str, dice: random.Random) -> bytes:
    """Return a record for the parser *name* that is damaged, but still JSON or XML."""
    record = PARSERS[name].record(make_works(1, first=9)[0])
    if isinstance(record, str):
        root = etree.fromstring(record)
        for _ in range(dice.randint(1, 4)):
            change_tree(root, dice)
        written: bytes = etree.tostring(root, with_tail=False)
        return written
    body = _written(record)
    for _ in range(dice.randint(1, 4)):
        body = changed_json(body, dice)
    return body


def _written(record: Any) -> bytes:
    return record.encode() if isinstance(record, str) else json.dumps(record).encode()


def check(data: bytes) -> None:
    """Check both properties; *data* is an answer to any parser, and the seed of a record."""
    dice = random.Random(data[:4096])
    for name in PARSERS:
        check_answer(name, data)
    name = dice.choice([each for each in sorted(PARSERS) if each != "pubmed-search"])
    check_neighbors(name, damaged_record(name, dice), dice.randint(0, 3))
