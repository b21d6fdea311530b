"""``digestbot explain``: why a paper is in a digest or not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from digestbot import audit, subscriptions
from digestbot.cli.app import App, check_known, local
from digestbot.config import Config, DigestConfig, find_digest
from digestbot.errors import DigestbotError, UsageError
from digestbot.filters import Explanation, explain, format_explanation
from digestbot.ids import PaperId, parse_paper_id
from digestbot.model import Announcement
from digestbot.syncing import start_seq

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
@click.argument("names", nargs=-1, metavar="[DIGEST] PAPER")
@click.option("--sent-to", metavar="DESTINATION", help="Tell whether it was sent there.")
@click.pass_obj
def command(app: App, names: tuple[str, ...], sent_to: str | None) -> int:
    """
    Tell why PAPER is in DIGEST or not, condition by condition.

    PAPER is an arXiv identifier such as 2603.20941, an arXiv address, or a DOI.

    With --sent-to, a mail address or a channel: whether it was sent there, when, as which
    Message-ID, or why not; by DIGEST, or by every digest.
    """
    if len(names) not in ((1, 2) if sent_to else (2,)):
        raise UsageError("name a digest and a paper: digestbot explain systems 2603.20941")
    config = app.config()
    *digests, paper = names
    if sent_to:
        return _was_sent(app, config, digests, parse_paper_id(paper), sent_to)
    wanted = find_digest(config, digests[0])
    named = parse_paper_id(paper)
    with app.store(config, read_only=True) as store:
        rows = _announcements(store, named)
        if not rows:
            raise DigestbotError(_unknown(named, wanted))
        answer = _answer(store, wanted, rows)
    app.show(_facts(wanted, answer), lambda: _words(config, wanted, answer))
    return 0


def _was_sent(
    app: App, config: Config, digests: Sequence[str], named: PaperId, sent_to: str
) -> int:
    """The answer of each digest; exit code 0 whatever it is."""
    now = app.clock()
    with app.store(config, read_only=True) as store:
        for name in digests:
            check_known(store, config, name)
        chosen = digests or sorted({*config.digests, *(s.name for s in store.digests.states())})
        rows = _announcements(store, named)
        if not rows:
            raise DigestbotError(f"no source has told of {named.id}")
        traces = [
            audit.trace(store, name, rows[-1].paper.id, destination, subscribed)
            for destination in audit.destinations(sent_to)
            for subscribed in [subscriptions.of(store, config, destination, now)]
            for name in chosen
        ]
        answers = [(found, *_said(store, config, rows, found, now)) for found in _telling(traces)]
    app.show(
        [_sent_facts(sent_to, *each) for each in answers],
        lambda: "\n".join(line for each in answers for line in _sent_lines(config, *each)),
    )
    return 0


def _telling(traces: list[audit.Trace]) -> list[audit.Trace]:
    """Of the destinations that a text may name, those that there are; one for each digest else."""
    known = [found for found in traces if found.deliveries or found.subscription]
    told = {found.digest for found in known}
    rest = {found.digest: found for found in traces if found.digest not in told}
    return sorted([*known, *rest.values()], key=lambda found: found.digest)


def _said(
    store: "Store",
    config: Config,
    rows: tuple[Announcement, ...],
    found: audit.Trace,
    now: datetime,
) -> tuple[audit.Sent, str]:
    digest = config.digests.get(found.digest)
    if digest is None:
        return audit.answer(found, matches=False, is_waiting=False, announced_at=now)
    reason = _answer(store, digest, rows)
    state = store.digests.find(digest.name)
    is_waiting = start_seq(store, state, now) < reason.paper.seq
    announced_at = reason.paper.seen_at.astimezone(config.timezone)
    return audit.answer(
        found, matches=_is_in(reason), is_waiting=is_waiting, announced_at=announced_at
    )


def _sent_facts(sent_to: str, found: audit.Trace, said: audit.Sent, why: str) -> dict[str, object]:
    delivery = next(iter(found.deliveries), None)
    return {
        "digest": found.digest,
        "to": sent_to,
        "sent": said,
        "why": why,
        "editions": [name for name, is_included in found.editions.items() if is_included],
        "delivery": delivery and delivery.id,
        "edition": delivery and delivery.edition_name,
        "kind": delivery and delivery.destination.kind,
        "state": delivery and delivery.state,
        "sent_at": delivery and delivery.sent_at,
        "message_id": delivery and delivery.message_id,
        "receipt": found.receipt,
    }


def _sent_lines(config: Config, found: audit.Trace, said: audit.Sent, why: str) -> Iterator[str]:
    yield f"{found.digest}: {said}: {why}"
    for d in found.deliveries:
        when = f", {local(d.sent_at, config)}" if d.sent_at else ""
        yield f"  {d.edition_name} by {d.destination.kind}: {d.state}{when} (delivery {d.id})"
        yield f"  as {d.message_id}"
    if found.receipt:
        yield f"  the server said: {found.receipt}"


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
        format_explanation(answer.explanation),
    ]
    return "\n".join(lines)


def _beyond_the_limit(digest: DigestConfig, answer: _Answer) -> Iterator[str]:
    if answer.cut:
        names = ", ".join(answer.cut)
        yield f"✗ left out of {names}: others had a higher score (limit: {digest.limit})"
