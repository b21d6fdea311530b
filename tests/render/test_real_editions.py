"""
Mails of real papers: 500 editions of what arXiv served, drawn with a fixed seed.

`caniemail` (an npm package with the data of caniemail.com) knows what Gmail and Outlook support;
``make test`` installs it. tests/data/unknown-to-clients.tsv lists the unsupported features that the
mail uses, with the reason why each is harmless.
"""

import gzip
import json
import random
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from quopri import encodestring
from typing import Any

import pytest

from digestbot.filters import evaluate, parse_filter
from digestbot.languages import languages
from digestbot.model import (
    Announcement,
    AnnounceType,
    Author,
    Edition,
    EditionPaper,
    FetchedPaper,
    Form,
    Theme,
)
from digestbot.render import RenderContext, render
from digestbot.render.templates import COLUMNS
from digestbot.store import open_store
from tests.factories import NOW, make_coverage, make_edition
from tests.render.editions import full_edition, hostile_edition
from tests.render.pages import Page, check_page, read

EDITIONS = 500
PAPERS = 2000
SENT_MAX = 80_000
SIZES = (0, 1, 2, 5, 8, 12, 20, 30, 30, 60, 150, 400)
TERMS = ["learning", "quantum", "distributed", "energy*", {"title": "graph"}, {"author": "Wang"}]
ROOT = Path(__file__).parent.parent.parent
KNOWN_GAPS = ROOT / "tests" / "data" / "unknown-to-clients.tsv"
CLIENTS = ("gmail.*", "outlook.*")

Rows = tuple[EditionPaper, ...]


@pytest.fixture(scope="module")
def rows(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Return real papers as the store returns them, matched by a real filter."""
    fetched = random.Random(5).sample(list(_fetched(corpus)), PAPERS)
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('real') / 'store.db'}") as store:
        store.papers.ingest("arxiv", fetched, {}, NOW)
        log = store.papers.announcements(0, None, sources=None, types=None)
        return tuple(_matched(row) for row in log)


def _fetched(corpus: Path) -> Iterator[FetchedPaper]:
    rng = random.Random(4)
    for path in sorted((corpus / "papers").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                yield _paper(json.loads(line), rng)


def _paper(facts: dict[str, Any], rng: random.Random) -> FetchedPaper:
    version = facts["version"] or 1
    page = f"https://arxiv.org/abs/{facts['id']}v{version}"
    return FetchedPaper(
        id=f"arxiv:{facts['id']}",
        version=version,
        type=rng.choice(list(AnnounceType)),
        title=facts["title"],
        abstract=facts["abstract"] or "",
        authors=tuple(Author(name=name) for name in facts["authors"]),
        categories=tuple(facts["categories"]),
        primary_category=facts["primary_category"],
        published=NOW,
        updated=NOW,
        comment=facts["comment"],
        journal_ref=facts["journal_ref"],
        doi=facts["doi"],
        url=page,
        pdf_url=page.replace("/abs/", "/pdf/"),
    )


def _matched(row: Announcement) -> EditionPaper:
    verdict = evaluate(parse_filter({"any": TERMS}), row)
    return EditionPaper(
        seq=row.seq,
        paper=row.paper,
        type=row.type,
        source=row.source,
        seen_at=row.seen_at,
        score=verdict.score,
        matches=verdict.matches,
    )


def drawn(rows: Rows, number: int) -> tuple[Edition, Theme]:
    """Draw the edition with seed *number*, the same in every run."""
    rng = random.Random(number)
    edition = make_edition(
        rng.sample(rows, rng.choice(SIZES)),
        number=rng.randint(1, 9),
        omitted=rng.choice([0, 0, 3]),
        coverage=(make_coverage(status=rng.choice(["ok", "ok", "late"])),),
    )
    return edition, rng.choice(list(Theme))


@pytest.mark.node
@pytest.mark.corpus
def test_gmail_and_outlook_can_show_real_editions(rows: Rows, context: RenderContext) -> None:
    pages = []
    for number in range(EDITIONS):
        edition, theme = drawn(rows, number)
        html = render(edition, Form.HTML, replace(context, theme=theme))
        assert len(encodestring(html.encode()).replace(b"\n", b"\r\n")) <= SENT_MAX
        assert "Unsubscribe</a>" in html
        pages.append(check_page(html))
    assert unknown(pages) == known_gaps()


@pytest.mark.corpus
def test_real_plain_parts_are_complete_and_readable(rows: Rows, context: RenderContext) -> None:
    for number in range(60):
        edition, theme = drawn(rows, number)
        themed = replace(context, theme=theme, language=random.Random(number).choice(languages()))
        text = render(edition, Form.TEXT, themed)
        too_wide = [row for row in text.splitlines() if width(row) > COLUMNS and "://" not in row]
        assert too_wide == []
        assert not MARKUP.search(text)
        page = read(render(edition, Form.HTML, themed))
        flat = " ".join(text.split())
        # The text's footer is three lines, without the link to the home page.
        links = [href for href, _ in page.links if href != themed.home_url]
        assert [href for href in links if href not in flat] == []


MARKUP = re.compile(
    r"</?(?:p|br|a|b|i|em|strong|sub|sup|span|div|td|tr|table|jats:\w+)\b[^>]*>|&(?:amp|lt|gt|quot|#\d+);"
)


def width(row: str) -> int:
    """Return the terminal columns of *row*."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in row)
    return len(row) + wide - sum(bool(unicodedata.combining(letter)) for letter in row)


@pytest.mark.node
@pytest.mark.parametrize("edition", [full_edition, hostile_edition])
@pytest.mark.parametrize("theme", Theme)
def test_gmail_and_outlook_can_show_every_theme(
    theme: Theme, edition: Callable[[], Edition], context: RenderContext
) -> None:
    page = render(edition(), Form.HTML, replace(context, theme=theme))
    found = unknown([check_page(page)])
    assert found == {feature: known_gaps()[feature] for feature in found}


@pytest.mark.node
def test_client_checker_finds_unsupported_features() -> None:
    page = '<!DOCTYPE html><html lang="en"><body><p style="display:grid"></p></body></html>'
    assert "outlook.windows" in unknown([read(page)])["display:grid"]


def test_page_checker_finds_faint_text_in_both_modes() -> None:
    style = "<style>@media (prefers-color-scheme:dark){\n.a{color:#333333!important}\n}</style>"
    page = f"""{style}<body style="color:#999999;background-color:#ffffff">faint
    <p class="a" style="color:#111111;background-color:#222222">faint in dark, too</p></body>"""
    assert set(read(page).faint) == {
        ("#999999", "#ffffff"),
        ("#111111", "#222222"),
        ("#333333", "#222222"),
    }


def unknown(pages: Iterable[Page]) -> dict[str, set[str]]:
    """Return the features in *pages* that some clients do not support, with those clients."""
    # One page with every kind of element in any of them: checking all 500 takes a minute.
    kinds = sorted(set().union(*(page.skeleton for page in pages)))
    styles = "".join(kind for kind in kinds if kind.startswith("<style>"))
    rest = "".join(kind for kind in kinds if not kind.startswith("<style>"))
    node = shutil.which("node")
    assert node, "no Node.js: the tests need version 20.19 or newer"
    assert (ROOT / "node_modules" / "caniemail").is_dir(), "no caniemail: `make test` installs it"
    done = subprocess.run(
        [node, str(Path(__file__).parent / "clients.mjs"), *CLIENTS],
        input=f"<!DOCTYPE html><head>{styles}</head><body>{rest}</body>",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {feature: set(clients) for feature, clients in json.loads(done.stdout).items()}


def known_gaps() -> dict[str, set[str]]:
    lines = KNOWN_GAPS.read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines if not line.startswith("#")]
    return {feature: set(clients.split()) for feature, clients, _ in cells}
