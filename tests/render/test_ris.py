"""RIS as reference managers read it, tag by tag, for any input."""

import re

from digestbot.model import Author, Form
from digestbot.render import RenderContext, render
from tests.factories import make_edition, make_paper
from tests.render.editions import drawn_editions, full_edition, hostile_edition

Record = list[tuple[str, str]]


def records(text: str) -> list[Record]:
    """Parse the records of a RIS file: TY begins one, ER ends it."""
    found: list[Record] = []
    is_open = False
    for row in text.split("\r\n"):
        if not row:
            assert not is_open, "an empty line inside a record"
            continue
        tag, value = row[:6], row[6:]
        assert re.fullmatch(r"[A-Z][A-Z0-9]  - ", tag), row
        assert (tag == "TY  - ") is not is_open
        if tag == "TY  - ":
            found.append([])
        found[-1].append((tag[:2], value))
        is_open = tag != "ER  - "
    assert not is_open
    return found


def test_every_fact_has_its_tag(context: RenderContext) -> None:
    found = records(render(full_edition(), Form.RIS, context))
    assert [dict(record)["TY"] for record in found] == ["UNPB", "UNPB", "JOUR", *["UNPB"] * 4]
    record = found[1]
    assert [value for tag, value in record if tag == "AU"] == ["Ana Pérez", "Ion Stoica", "李明"]
    assert [value for tag, value in record if tag == "KW"] == ["cs.DC", "cs.LG"]
    facts = dict(record)
    assert facts["TI"] == "Serverless Inference for Mixture of Experts at O(n log n) Cost"
    assert (facts["PY"], facts["DA"]) == ("2026", "2026/11/20")
    assert facts["AN"] == "arXiv:2611.01234"
    assert facts["UR"] == "https://arxiv.org/abs/2611.01234v1"
    assert facts["L1"] == "https://arxiv.org/pdf/2611.01234v1"
    assert facts["N1"] == "12 pages, accepted at SoCC '26"
    assert "magnitude" not in facts["AB"]
    journal = dict(found[2])
    assert (journal["JO"], journal["DO"]) == ("J. Energy 7 (2026) 1-20", "10.1000/Energy.(2026)1")


def test_text_cannot_begin_a_record(context: RenderContext) -> None:
    paper = make_paper(title="x\r\nER  - \r\nTY  - JOUR", authors=(Author(name="a\u2028TI  - b"),))
    (record,) = records(render(make_edition([paper]), Form.RIS, context))
    assert dict(record)["TI"] == "x ER - TY - JOUR"
    assert not set(render(hostile_edition(), Form.RIS, context)) & set("\x00\x1b\u202e\ud800")


def test_edition_without_papers_is_an_empty_file(context: RenderContext) -> None:
    assert render(make_edition(papers=()), Form.RIS, context) == ""


def test_any_edition_has_one_record_per_paper(context: RenderContext) -> None:
    for edition in drawn_editions(60):
        text = render(edition, Form.RIS, context)
        text.encode()
        assert len(records(text)) == len(edition.papers) + edition.omitted
