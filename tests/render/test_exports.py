"""JSON keeps its contract; hostile titles cannot break Markdown or BibTeX."""

import json
import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pybtex.database
import pytest
from hypothesis import given
from ruamel.yaml import YAML

from digestbot.model import AnnounceType, Author, Edition, Form
from digestbot.render import RenderContext, render
from tests.factories import NOW, make_edition, make_edition_paper, make_paper
from tests.render.editions import EDITIONS, full_edition, hostile_edition

PAPER_KEYS = {
    "id", "version", "type", "title", "abstract", "authors", "categories", "primary_category",
    "published", "updated", "comment", "journal_ref", "doi", "url", "pdf_url", "score", "matched",
    "title_raw", "abstract_raw",
}  # fmt: skip
"""Keys in the contract, which programs rely on."""


def test_json_holds_the_contract(context: RenderContext) -> None:
    text = render(full_edition(), Form.JSON, context)
    facts = json.loads(text)
    assert text.endswith("}\n")
    assert "李明" in text
    assert facts["digest"] == "systems"
    assert facts["title"] == "Systems for ML"
    assert facts["edition"] == "systems/12"
    assert facts["omitted"] == 3
    assert facts["created_at"] == "2026-11-23T08:00:00Z"
    assert all(set(paper) >= PAPER_KEYS for paper in facts["papers"])
    paper = facts["papers"][1]
    assert paper["id"] == "arxiv:2611.01234"
    assert paper["type"] == "new"
    assert paper["authors"] == ["Ana Pérez", "Ion Stoica", "李明"]
    assert paper["published"] == "2026-11-20T08:00:00Z"
    assert paper["title_raw"].endswith(r"$O(n \log n)$ Cost")
    hit = {"field": "title", "term": "serverless", "text": "Serverless", "start": 0, "end": 10}
    assert paper["matched"][0] == hit


def test_json_times_are_in_utc(context: RenderContext) -> None:
    berlin = datetime(2026, 11, 23, 9, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    paper = make_paper(published=berlin, updated=None)
    (facts,) = json.loads(render(make_edition([paper]), Form.JSON, context))["papers"]
    assert facts["published"] == "2026-11-23T08:00:00.000005Z"
    assert facts["updated"] is None


def test_json_has_the_changes_of_an_update(context: RenderContext) -> None:
    before = make_paper(version=1, title="An Old Name", comment=None)
    after = make_paper(version=2, title="A Name", comment="accepted at SoCC '26")
    entry = make_edition_paper(paper=after, previous=before, type=AnnounceType.REPLACE)
    (facts,) = json.loads(render(make_edition([entry]), Form.JSON, context))["papers"]
    assert facts["previous_version"] == 1
    assert facts["changes"] == {
        "title": {"from": "An Old Name", "to": "A Name"},
        "comment": {"from": None, "to": "accepted at SoCC '26"},
    }


@given(edition=EDITIONS)
def test_json_of_any_edition_reads_back(edition: Edition, context: RenderContext) -> None:
    text = render(edition, Form.JSON, context)
    text.encode()
    facts = json.loads(text)
    titles = [paper["title"] for paper in facts["papers"]]
    assert titles == [entry.paper.title.replace("\ud800", "\ufffd") for entry in edition.papers]


def test_markdown_links_to_the_web_only(context: RenderContext) -> None:
    text = render(hostile_edition(), Form.MARKDOWN, context)
    assert set(re.findall(r"(?<!\\)\]\((\w+):", text)) == {"https"}
    assert not re.search(r"(?<!\\)<", text)
    assert not re.search(r"(?<!\\)`", text)
    assert "\\[link\\](javascript" in text
    assert not set(text) & set("\x00\x1b\u202e\ud800")


@given(edition=EDITIONS)
def test_markdown_of_any_edition_has_expected_blocks(
    edition: Edition, context: RenderContext
) -> None:
    text = render(edition, Form.MARKDOWN, context)
    text.encode()
    headings = [row for row in text.split("\n") if row.startswith("#")]
    papers = [row for row in headings if re.match(r"### \d+\\\. ", row)]
    assert len(papers) == len(edition.papers)
    assert len(headings) - len(papers) <= 3
    assert not re.search(r"(?m)^(?:>|=|```|~~~| {4})", text)
    facts = YAML(typ="safe").load(text.split("\n---\n")[0])
    assert facts["papers"] == len(edition.papers)


def test_markdown_starts_with_front_matter_for_obsidian(context: RenderContext) -> None:
    text = render(make_edition(title='A "title": # x', omitted=3), Form.MARKDOWN, context)
    head, _, rest = text.removeprefix("---\n").partition("\n---\n")
    assert YAML(typ="safe").load(head) == {
        "title": 'A "title": # x',
        "date": date(2026, 11, 23),
        "digest": "systems",
        "edition": 12,
        "papers": 1,
        "omitted": 3,
        "tags": ["digestbot", "papers"],
    }
    assert rest.startswith('\n# A "title": # x\n')


def entries(text: str) -> list[tuple[str, dict[str, str]]]:
    """Parse a BibTeX file by its own rules: braces count even after a backslash."""
    found = []
    for part in re.split(r"(?m)^@", text)[1:]:
        head, _, rest = part.partition("{")
        assert head in {"misc", "article"}
        key, _, rest = rest.partition(",")
        depth = 1
        end = 0
        for end, letter in enumerate(rest):  # noqa: B007 - used after the loop
            depth += {"{": 1, "}": -1}.get(letter, 0)
            if depth == 0:
                break
        assert depth == 0, f"{key} has unbalanced braces"
        assert rest[end + 1 :].strip() == "", f"{key} is followed by {rest[end + 1 :]!r}"
        found.append((key, dict(re.findall(r"(?m)^  (\w+) = \{(.*)\},?$", rest[:end]))))
    return found


def test_bibtex_has_eprint_journal_and_doi(context: RenderContext) -> None:
    found = dict(entries(render(full_edition(), Form.BIBTEX, context)))
    first = found["perez2026serverless"]
    assert first["eprint"] == "2611.01234"
    assert first["archivePrefix"] == "arXiv"
    assert first["primaryClass"] == "cs.DC"
    assert first["author"] == "Ana Pérez and Ion Stoica and 李明"
    assert first["title"] == r"{Serverless Inference for Mixture of Experts at $O(n \log n)$ Cost}"
    assert any(fields.get("doi") == "10.1000/Energy.(2026)1" for fields in found.values())
    assert any(fields.get("journal") == "J. Energy 7 (2026) 1-20" for fields in found.values())


@pytest.mark.parametrize(
    ("raw", "plain", "title"),
    [
        (r"On $\alpha_1$", "On α₁", r"On $\alpha_1$"),  # unchanged
        ("Cost & Gain", "Cost & Gain", r"Cost \& Gain"),  # a bare ampersand stops LaTeX
        ("50% off", "50% off", r"50\% off"),  # a bare percent sign swallows the rest
        ("snake_case", "snake_case", r"snake\_case"),
        (r"Half {a brace", "Half {a brace", r"Half \textbraceleft{}a brace"),
        (
            r"A \{ brace",
            "A { brace",
            r"A \textbraceleft{} brace",
        ),  # BibTeX counts escaped braces too
        (r"\input{/etc/passwd}", r"\input", r"\textbackslash{}input"),
        ("$5 for you", "$5 for you", r"\$5 for you"),
    ],
)
def test_bibtex_titles_keep_sound_latex(
    raw: str, plain: str, title: str, context: RenderContext
) -> None:
    edition = make_edition([make_paper(title=plain, title_raw=raw)])
    ((_, fields),) = entries(render(edition, Form.BIBTEX, context))
    assert fields["title"] == "{" + title + "}"


def test_bibtex_keys_are_unique(context: RenderContext) -> None:
    edition = make_edition([make_paper(id=f"arxiv:2611.0000{n}") for n in range(3)])
    keys = [key for key, _ in entries(render(edition, Form.BIBTEX, context))]
    assert keys == ["perez2026serverless", "perez2026serverless-2", "perez2026serverless-3"]


def test_and_in_a_name_does_not_split_it(context: RenderContext) -> None:
    paper = make_paper(authors=(Author(name="Smith and Sons"), Author(name="A. B.")))
    ((_, fields),) = entries(render(make_edition([paper]), Form.BIBTEX, context))
    assert fields["author"] == "{Smith and Sons} and A. B."


def test_pybtex_reads_the_bibtex(context: RenderContext) -> None:
    for edition in (full_edition(), hostile_edition()):
        found = pybtex.database.parse_string(render(edition, Form.BIBTEX, context), "bibtex")
        assert len(found.entries) == len(edition.papers) + edition.omitted
        authors = [entry.persons["author"] for entry in found.entries.values() if entry.persons]
        assert all("Stoica, Ion" in map(str, names) for names in authors if len(names) == 2)


def _usable(key: str) -> bool:
    return re.fullmatch(r"[a-z0-9-]+", key) is not None


@given(edition=EDITIONS)
def test_bibtex_of_any_edition_is_valid(edition: Edition, context: RenderContext) -> None:
    text = render(edition, Form.BIBTEX, context)
    text.encode()
    keys = [key for key, _ in entries(text)]
    assert len(keys) == len(set(keys)) == len(edition.papers) + edition.omitted
    assert all(_usable(key) for key in keys)


def test_bibtex_key_falls_back_to_the_id(
    context: RenderContext,
) -> None:
    bare: dict[str, Any] = {"title": "分散", "authors": (), "published": None, "updated": None}
    entry = make_edition_paper(paper=make_paper(**bare), matches=(), seen_at=NOW)
    ((key, _),) = entries(render(make_edition([entry]), Form.BIBTEX, context))
    assert key == "arxiv261101234"
