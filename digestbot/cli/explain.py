"""``digestbot explain``: why a paper is in a digest or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from digestbot.cli.app import App, local
from digestbot.config import Config, DigestConfig
from digestbot.errors import DigestbotError
from digestbot.filters import Explanation, explain, in_words
from digestbot.ids import PaperId, parse_paper_id
from digestbot.model import Announcement
from digestbot.pipeline.editing import find_digest

if TYPE_CHECKING:
    from digestbot.store import DigestState, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What is known of one paper and one digest."""

    paper: Announcement
    """Its newest announcement."""
    gates: tuple[tuple[bool, str], ...]
    """What stands before the filter: source, type, the cursor; each with its words."""
    explanation: Explanation
    editions: tuple[str, ...]
    """The editions of the digest that show it."""
    cut: tuple[str, ...]
    """Those for which it matched, and fell to the limit."""


@click.command("explain", short_help="Tell why a paper is in a digest or not.")
@click.argument("digest")
@click.argument("paper")
@click.pass_obj
def command(app: App, digest: str, paper: str) -> int:
    """
    Tell why PAPER is in DIGEST or not, condition by condition.

    PAPER is an arXiv identifier such as 2603.20941, an arXiv address, or a DOI.
    """
    config = app.config()
    wanted = find_digest(config, digest)
    named = parse_paper_id(paper)
    with app.store(config) as store:
        rows = _announcements(store, named)
        if not rows:
            raise DigestbotError(_unknown(named, wanted))
        answer = _answer(store, wanted, rows)
    app.show(_facts(wanted, answer), lambda: _words(config, wanted, answer))
    return 0


def _announcements(store: "Store", named: PaperId) -> tuple[Announcement, ...]:
    """What was told of the paper, or of the version, that a person named by its id or its DOI."""
    paper_id = named.id
    if paper_id.startswith("doi:"):
        paper_id = store.papers.with_doi(paper_id.removeprefix("doi:")) or paper_id
    rows = store.papers.of_paper(paper_id)
    if named.version is None:
        return rows
    return tuple(row for row in rows if row.paper.version == named.version)


def _unknown(named: PaperId, digest: DigestConfig) -> str:
    version = f" version {named.version}" if named.version else ""
    return (
        f"no source has told of {named.id}{version} yet; {digest.name} reads "
        f"{', '.join(digest.sources)}: 'digestbot fetch' asks them now"
    )


def _answer(store: "Store", digest: DigestConfig, rows: tuple[Announcement, ...]) -> _Answer:
    ours = [row for row in rows if row.source in digest.sources] or list(rows)
    allowed = [row for row in ours if row.type in digest.types] or ours
    row = allowed[-1]
    editions = store.editions.of_paper(digest.name, row.paper.id)
    return _Answer(
        paper=row,
        gates=tuple(_gates(store.digests.find(digest.name), digest, row)),
        explanation=explain(digest.filter, row),
        editions=tuple(name for name, is_shown in editions.items() if is_shown),
        cut=tuple(name for name, is_shown in editions.items() if not is_shown),
    )


def _gates(
    state: "DigestState | None", digest: DigestConfig, row: Announcement
) -> list[tuple[bool, str]]:
    types = ", ".join(sorted(digest.types))
    gates = [
        (
            row.source in digest.sources,
            f"source {row.source} (the digest reads {', '.join(digest.sources)})",
        ),
        (row.type in digest.types, f"announced as {row.type} (the digest takes {types})"),
    ]
    if row.backlog:
        gates.append((False, "was in the source's first answer and too old to be news"))
    if state is not None and state.cursor >= row.seq:
        gates.append(
            (True, f"already looked at (log {row.seq}, the digest stands at {state.cursor})")
        )
    return gates


def _is_in(answer: _Answer) -> bool:
    return all(passed for passed, _ in answer.gates) and answer.explanation.passed


def _facts(digest: DigestConfig, answer: _Answer) -> dict[str, object]:
    paper = answer.paper.paper
    return {
        "digest": digest.name,
        "paper": paper.id,
        "version": paper.version,
        "title": paper.title,
        "type": answer.paper.type,
        "source": answer.paper.source,
        "seen_at": answer.paper.seen_at,
        "in": _is_in(answer),
        "editions": list(answer.editions),
        "cut_from": list(answer.cut),
        "gates": [{"passed": passed, "what": words} for passed, words in answer.gates],
        "filter": _tree(answer.explanation),
    }


def _tree(node: Explanation) -> dict[str, object]:
    return {
        "condition": node.condition,
        "passed": node.passed,
        "hits": [
            {"field": h.field, "term": h.term, "text": h.text, "start": h.start, "end": h.end}
            for h in node.hits
        ],
        "children": [_tree(child) for child in node.children],
    }


def _words(config: Config, digest: DigestConfig, answer: _Answer) -> str:
    row = answer.paper
    lines = [
        f"{row.paper.id}v{row.paper.version}  {row.paper.title}",
        f"seen {local(row.seen_at, config)} in {row.source}",
        "",
        f"{'in' if _is_in(answer) else 'not in'} {digest.name}"
        + (f", sent in {', '.join(answer.editions)}" if answer.editions else ""),
        *_beyond_the_limit(digest, answer),
        *(f"{'✓' if passed else '✗'} {words}" for passed, words in answer.gates),
        in_words(answer.explanation),
    ]
    return "\n".join(lines)


def _beyond_the_limit(digest: DigestConfig, answer: _Answer) -> Iterator[str]:
    if answer.cut:
        names = ", ".join(answer.cut)
        yield f"✗ left out of {names}: others had a higher score (limit: {digest.limit})"
