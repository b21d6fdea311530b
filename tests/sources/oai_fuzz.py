"""
Mutated answers of OAI-PMH, and two properties that hold for any of them.

The parser returns sound records or raises one clear `BadAnswer`; and a record that is mutated among
good ones costs itself at most. Begin at `check`; `tests.sources.coverage_guided` runs it.
"""

import random
from typing import Any

from lxml import etree

from digestbot.errors import BadAnswer
from digestbot.sources.arxiv_oai import OaiAnswer, OaiRecord, parse
from tests.sources.feed_fuzz import check_paper, check_words

VALUES = (
    "v0", "v99999", "v1", "I", "deleted", "oai:arXiv.org:math.GT/0309136", "oai:arXiv.org:2609.1",
    "2609.28194v3", "Wed, 23 Sep 2026 14:33:19 GMT", "Wed, 31 Feb 0000 25:61:61", "9999-12-31",
    "0001-01-01", "2026-09-24T00:00:00Z", "A (1) ((1) X, (1) Y)", "((((", "A (" * 300, "(1), (2)",
    "X Collaboration: A (1 and 2, 3)", "\U000f0000A (B)", "doi:10.1/x doi:10.5555/y", "0", " ",
    "Comment: ", "x" * 3000, "cs.DC " * 200, "This paper has been withdrawn",
)  # fmt: skip
NAMES = (
    "header", "metadata", "identifier", "datestamp", "setSpec", "arXivRaw", "arXiv", "dc",
    "version", "date", "source_type", "title", "authors", "author", "keyname", "forenames",
    "suffix", "record", "affiliation", "categories", "abstract", "comments", "doi", "creator",
    "description", "resumptionToken", "ListRecords", "error", "responseDate", "created", "updated",
    "about",
)  # fmt: skip
FRAGMENTS = (b"&#xD800;", b"&#x110000;", b"&nbsp;", b"\x00", b"\xff", b"\xe2\x82", b"\x1b", b"]")
"""Bytes that may stand inside an element and cost no another record."""
HEAD = b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>'
TAIL = b"<resumptionToken>next</resumptionToken></ListRecords></OAI-PMH>"
RAW = b"""<record><header><identifier>oai:arXiv.org:2609.%(n)s</identifier>
<datestamp>2026-09-24</datestamp><setSpec>cs:cs:LG</setSpec></header><metadata><arXivRaw
xmlns="http://arxiv.org/OAI/arXivRaw/"><id>2609.%(n)s</id><submitter>A</submitter><version
version="v1"><date>Wed, 23 Sep 2026 14:33:19 GMT</date><source_type>D</source_type></version>
<version version="v2"><date>Thu, 24 Sep 2026 01:00:00 GMT</date></version><title>Seeds %(n)s</title>
<authors>Jos\\'e Bee (1), Ann Dee (1 and 2) ((1) Univ. of X, (2) Y)</authors><categories>cs.LG
stat.ML</categories><comments>5 pages</comments><journal-ref>J. X</journal-ref><doi>10.1000/x</doi>
<abstract>  A $a &lt; b$ text.
</abstract></arXivRaw></metadata></record>"""
STRUCTURED = b"""<record><header><identifier>oai:arXiv.org:math/0309%(m)s</identifier>
<datestamp>2009-11-30</datestamp></header><metadata><arXiv xmlns="http://arxiv.org/OAI/arXiv/">
<id>x</id><created>2003-09-05</created><updated>2004-01-02</updated><authors><author><keyname>Bee
</keyname><forenames>Ada</forenames><suffix>Jr</suffix><affiliation>X</affiliation></author>
</authors><title>Roots %(n)s</title><categories>math.GT</categories><abstract>A</abstract></arXiv>
</metadata></record>"""
DUBLIN_CORE = b"""<record><header><identifier>oai:arXiv.org:0901.%(m)s4</identifier>
<datestamp>2009-01-19</datestamp></header><metadata><o:dc xmlns:o="http://x/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Leaves</dc:title>
<dc:creator>Bee, A.</dc:creator>
<dc:description>Text</dc:description><dc:description>Comment: 5 pages</dc:description>
<dc:date>2009-01-16</dc:date><dc:identifier>doi:10.1000/x</dc:identifier></o:dc></metadata></record>"""
SEEDS = tuple(
    HEAD + b"".join(form % {b"n": b"0000%d" % n, b"m": b"00%d" % n} for n in range(1, 4)) + TAIL
    for form in (RAW, STRUCTURED, DUBLIN_CORE)
)


def check_answer(body: bytes) -> OaiAnswer | None:
    """Parse *body*; fail unless it gives sound records or one clear error."""
    try:
        answer = parse(body)
    except BadAnswer as error:
        check_words(str(error))
        return None
    for record in answer.records:
        _check_record(record)
    assert answer.token is None or answer.token.strip() == answer.token != ""
    return answer


def _check_record(record: OaiRecord) -> None:
    paper = record.paper
    check_paper(paper)
    assert paper.id.startswith("arxiv:")
    assert paper.version == (record.version or 1) > 0
    assert paper.primary_category == next(iter(paper.categories), None)
    assert record.first_submitted == paper.published
    places = [place for author in paper.authors for place in author.affiliations]
    assert all(place.strip() for place in places), places


def check_neighbors(record: bytes, at: int) -> None:
    """Fail unless the good records of a list with *record* at *at* give what they give alone."""
    good = [RAW % {b"n": b"0000%d" % n} for n in range(1, 4)]
    alone = parse(HEAD + b"".join(good) + TAIL).records
    together = parse(HEAD + b"".join([*good[:at], record, *good[at:]]) + TAIL)
    assert together.token == "next"
    kept = {each.paper.id for each in alone}
    found = [each for each in together.records if each.paper.id in kept]
    assert found == list(alone), record


def mutated_record(dice: random.Random) -> bytes:
    """Return a record that is damaged, but closed."""
    form = dice.choice((RAW, STRUCTURED, DUBLIN_CORE))
    root = etree.fromstring(form % {b"n": b"99999", b"m": b"999"})
    for _ in range(dice.randint(1, 4)):
        elements = [each for each in root.iter() if each is not root]
        if elements:
            _change(dice.choice(elements), dice)
    whole: bytes = etree.tostring(root, with_tail=False)
    if dice.random() < 0.3:
        at = whole.find(b"</title>")
        whole = whole[:at] + dice.choice(FRAGMENTS) + whole[at:] if at > 0 else whole
    return whole


def _change(element: Any, dice: random.Random) -> None:
    match dice.randrange(5):
        case 0:
            element.tag = dice.choice(NAMES)
        case 1:
            element.text = dice.choice(VALUES)
        case 2:
            element.set(dice.choice(("version", "status", "code", "x")), dice.choice(VALUES))
        case 3:
            element.getparent().remove(element)
        case _:
            copy = etree.tostring(element, with_tail=False)
            element.append(etree.fromstring(copy))


def check(data: bytes) -> None:
    """Check both properties; *data* is an answer, and the seed of a mutated record."""
    dice = random.Random(data[:4096])
    check_answer(data)
    check_neighbors(mutated_record(dice), dice.randint(0, 3))
