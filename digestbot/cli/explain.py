"""``digestbot explain``: explain why a paper is in a digest, or whether it was sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import click

from digestbot import audit, subscriptions
from digestbot.cli.app import App, check_known, local
from digestbot.cli.papers import describe
from digestbot.config import Config, DigestConfig, find_digest
from digestbot.errors import DigestbotError, InvalidPaperId, UsageError
from digestbot.filters import Explanation, explain, format_explanation
from digestbot.ids import PaperId, parse_paper_id
from digestbot.model import NOTICES, Announcement
from digestbot.syncing import start_seq
from digestbot.text.title_search import best_titles

if TYPE_CHECKING:
    from digestbot.store import DigestState, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """Explanation of one paper in one digest."""

    paper: Announcement
    """Its newest announcement."""
    preconditions: tuple[tuple[bool, str], ...]
    """Checks before the filter (source, type, cursor): whether it passed, and its text."""
    explanation: Explanation
    editions: tuple[str, ...]
    """Editions of the digest that include it."""
    cut: tuple[str, ...]
    """Editions whose limit left it one line."""
    is_past: bool
    """True if an edition has already covered its announcement."""
    asked_at: datetime
    """When the question was asked."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Fields that the source lacked → service that filled them in."""
    is_notice: bool = False
    """True for a retraction of a paper that the digest had; no filter excludes it."""


@click.command("explain", short_help="Explain why a paper is in a digest or not.")
@click.argument("names", nargs=-1, metavar="[DIGEST] PAPER...")
@click.option(
    "--sent-to",
    metavar="DESTINATION",
    help="Show whether the paper was sent to this address or channel.",
)
@click.pass_obj
def command(app: App, names: tuple[str, ...], sent_to: str | None) -> int:
    """
    Explain condition by condition why DIGEST includes PAPER or leaves it out.

    PAPER is an arXiv identifier such as 2603.20941, an arXiv URL, a DOI, or words of its title.
    DIGEST may be omitted if the config has only one.

    With --sent-to, shows whether PAPER was sent to an email address or channel, with the time and
    Message-ID, or the reason if not. Checks all digests unless DIGEST is given.
    """
    config = app.config()
    if sent_to:
        return _was_sent(app, config, names, sent_to)
    digest, paper = _split(config, names)
    if digest is None and len(config.digests) != 1:
        raise UsageError(
            "give a digest and a paper, for example: digestbot explain systems 2603.20941"
        )
    wanted = find_digest(config, digest or next(iter(config.digests)))
    with app.store(config, read_only=True) as store:
        found = _find(store, paper)
        if not isinstance(found, PaperId):
            return _show_candidates(app, paper, found)
        rows = _announcements(store, found)
        if not rows:
            raise DigestbotError(_unknown(found, wanted))
        answer = _answer(store, wanted, rows, app.clock())
        work, lines = describe(store, config, answer.paper.paper.id)
    facts = _facts(config, wanted, answer) | {"work": work}
    app.show(facts, lambda: "\n".join([_as_text(config, wanted, answer), "", *lines]))
    return 0


def _split(config: Config, names: Sequence[str]) -> tuple[str | None, str]:
    """Split the arguments into the digest, if one is given, and the paper."""
    if not names:
        raise UsageError("give a paper, for example: digestbot explain 2603.20941")
    first, *others = names
    if others and (first in config.digests or (len(others) == 1 and _paper_id(others[0]))):
        return first, " ".join(others)
    return None, " ".join(names)


def _paper_id(text: str) -> PaperId | None:
    try:
        return parse_paper_id(text)
    except InvalidPaperId:
        return None


def _find(store: "Store", paper: str) -> PaperId | tuple[str, ...]:
    """
    Return the paper with this id or DOI, else the ids of those whose titles match best.

    Raises:
        DigestbotError: No title has these words.
    """
    if named := _paper_id(paper):
        return named
    found = best_titles(paper, store.papers.titles())
    if not found:
        raise DigestbotError(
            f'"{paper}" is not a paper id, and no title in the store has these words; '
            "give the id, such as 2603.20941"
        )
    return parse_paper_id(found[0]) if len(found) == 1 else found


def _show_candidates(app: App, paper: str, ids: tuple[str, ...]) -> int:
    """List the papers that *paper* may mean; return exit code 1, because nothing is explained."""
    config = app.config()
    with app.store(config, read_only=True) as store:
        titles = {id_: found.title for id_ in ids if (found := store.papers.get(id_))}
    app.show(
        {"candidates": [{"id": id_, "title": title} for id_, title in titles.items()]},
        lambda: "\n".join(f"{id_}  {title}" for id_, title in titles.items()),
    )
    click.echo(f'"{paper}" is in {len(ids)} titles; give an id or more words', err=True)
    return 1


def _was_sent(app: App, config: Config, names: Sequence[str], sent_to: str) -> int:
    """Show for each digest whether the paper was sent; return exit code 0 either way."""
    now = app.clock()
    with app.store(config, read_only=True) as store:
        digest, paper = _split(config, names)
        check_known(store, config, digest)
        chosen = (
            [digest]
            if digest
            else sorted({*config.digests, *(s.name for s in store.digests.states())})
        )
        named = _find(store, paper)
        if not isinstance(named, PaperId):
            return _show_candidates(app, paper, named)
        rows = _announcements(store, named)
        if not rows:
            raise DigestbotError(f"no source has announced {named.id}")
        traces = [
            audit.trace(store, name, rows[-1].paper.id, destination, subscribed)
            for destination in audit.destinations(sent_to)
            for subscribed in [subscriptions.of(store, config, destination, now)]
            for name in chosen
        ]
        answers = [
            (found, *_verdict(store, config, rows, found, now)) for found in _relevant(traces)
        ]
    app.show(
        [_sent_facts(sent_to, *answer) for answer in answers],
        lambda: "\n".join(
            line
            for answer in answers
            for line in _sent_lines(config, *answer, show_digest=digest is None)
        ),
    )
    return 0


def _relevant(traces: list[audit.Trace]) -> list[audit.Trace]:
    """Keep traces with a delivery or subscription, else one for each digest."""
    known = [found for found in traces if found.deliveries or found.subscription]
    digests = {found.digest for found in known}
    rest = {found.digest: found for found in traces if found.digest not in digests}
    return sorted([*known, *rest.values()], key=lambda found: found.digest)


def _verdict(
    store: "Store",
    config: Config,
    rows: tuple[Announcement, ...],
    found: audit.Trace,
    now: datetime,
) -> tuple[audit.Sent, str]:
    digest = config.digests.get(found.digest)
    if digest is None:
        return audit.answer(found, matches=False, is_waiting=False, announced_at=now)
    reason = _answer(store, digest, rows, now)
    state = store.digests.find(digest.name)
    is_waiting = start_seq(store, state, now) < reason.paper.seq
    announced_at = reason.paper.seen_at.astimezone(config.timezone)
    return audit.answer(
        found, matches=_is_in(reason), is_waiting=is_waiting, announced_at=announced_at
    )


def _sent_facts(
    sent_to: str, found: audit.Trace, verdict: audit.Sent, why: str
) -> dict[str, object]:
    delivery = next(iter(found.deliveries), None)
    return {
        "digest": found.digest,
        "to": sent_to,
        "sent": verdict,
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


VERDICTS = {
    audit.Sent.YES: "Sent",
    audit.Sent.NO: "Not sent",
    audit.Sent.NOT_YET: "Not sent yet",
    audit.Sent.PERHAPS: "Possibly sent",
}


def _sent_lines(
    config: Config, found: audit.Trace, verdict: audit.Sent, why: str, *, show_digest: bool
) -> Iterator[str]:
    prefix = f"{found.digest}: " if show_digest else ""
    reason = "" if verdict is audit.Sent.YES else f": {why}"
    yield f"{prefix}{VERDICTS[verdict]}{reason}."
    for d in found.deliveries:
        when = f", {local(d.sent_at, config)}" if d.sent_at else ""
        yield f"  {d.edition_name} by {d.destination.kind}: {d.state}{when} (delivery {d.id})"
        yield f"  Message-ID: {d.message_id}"
    if found.receipt:
        yield f"  server response: {found.receipt}"


def _announcements(store: "Store", named: PaperId) -> tuple[Announcement, ...]:
    """Return the announcements of a paper, or of one version, given by its id or DOI."""
    paper_id = named.id
    if paper_id.startswith("doi:"):
        found = store.works.known_as(paper_id)
        paper_id = found or store.papers.with_doi(paper_id.removeprefix("doi:")) or paper_id
    rows = store.papers.of_paper(paper_id)
    if named.version is None:
        return rows
    return tuple(row for row in rows if row.paper.version == named.version)


def _unknown(named: PaperId, digest: DigestConfig) -> str:
    version = f" version {named.version}" if named.version else ""
    return (
        f"no source has announced {named.id}{version} yet; {digest.name} reads "
        f"{', '.join(digest.sources)}; use 'digestbot fetch' to update"
    )


def _waits(store: "Store", digest: DigestConfig, row: Announcement) -> bool:
    """Return True if the paper waits beyond the limit (``overflow: next``)."""
    return any(entry.paper.id == row.paper.id for entry in store.editions.waiting(digest.name))


def _answer(
    store: "Store", digest: DigestConfig, rows: tuple[Announcement, ...], now: datetime
) -> _Answer:
    ours = [row for row in rows if row.source in digest.sources] or list(rows)
    allowed = [row for row in ours if row.type in digest.types] or ours
    notice = _notice(store, digest, rows)
    row = notice or allowed[-1]
    editions: dict[str, bool] = {}
    for each in store.works.of([row.paper.id])[row.paper.id]:
        editions |= store.editions.of_paper(digest.name, each)
    state = store.digests.find(digest.name)
    return _Answer(
        paper=row,
        asked_at=now,
        is_past=state is not None and state.cursor >= row.seq and not _waits(store, digest, row),
        preconditions=tuple(_preconditions(state, digest, row)),
        explanation=explain(digest.filter, row),
        origins=store.enrichments.origins(row.paper.id, row.paper.version),
        is_notice=notice is not None,
        editions=tuple(name for name, is_shown in editions.items() if is_shown),
        cut=tuple(name for name, is_shown in editions.items() if not is_shown),
    )


def _notice(
    store: "Store", digest: DigestConfig, rows: tuple[Announcement, ...]
) -> Announcement | None:
    """Return the last retraction or withdrawal among *rows* if the digest had the paper."""
    notices = [row for row in rows if row.paper.document_type in NOTICES]
    groups = store.works.of({row.paper.id for row in notices}).values()
    ids = {each for group in groups for each in group}
    had = any(digest.name in names for names in store.editions.receivers(ids).values())
    return notices[-1] if had else None


def _preconditions(
    state: "DigestState | None", digest: DigestConfig, row: Announcement
) -> list[tuple[bool, str]]:
    types = ", ".join(sorted(digest.types))
    found = [
        (
            row.source in digest.sources,
            f"source {row.source} (the digest reads {', '.join(digest.sources)})",
        ),
        (row.type in digest.types, f"announced as {row.type} (the digest accepts {types})"),
    ]
    if row.backlog:
        found.append((False, "already too old when the source was first fetched"))
    if state is not None and state.cursor >= row.seq:
        found.append(
            (True, f"already processed (announcement {row.seq}, digest cursor {state.cursor})")
        )
    return found


def _is_in(answer: _Answer) -> bool:
    passed = all(passed for passed, _ in answer.preconditions) and answer.explanation.passed
    return passed or answer.is_notice


def _headline(config: Config, digest: DigestConfig, answer: _Answer) -> str:
    """Say in one line whether the paper is in the digest, and whether it was sent."""
    if not _is_in(answer):
        return f"Not in {digest.name}{_exclusions(answer)}"
    if answer.editions:
        return f"In {digest.name}, included in {', '.join(answer.editions)}"
    if answer.cut:
        cut = ", ".join(answer.cut)
        return f"In {digest.name}, by title only in {cut} (limit: {digest.limit})"
    if not answer.is_past:
        return f"In {digest.name}: it will be in the next edition"
    seen = answer.paper.seen_at.astimezone(config.timezone)
    days = (answer.asked_at - answer.paper.seen_at).days + 1
    return (
        f"In {digest.name} by today's filter, but not sent: an earlier filter applied when it was "
        f"announced ({seen.day} {seen:%b}); to send it: "
        f"digestbot run {digest.name} --missed-since {days}d"
    )


def _exclusions(answer: _Answer) -> str:
    """Name the first reason other than the filter's terms."""
    failed = [what for passed, what in answer.preconditions if not passed]
    if failed:
        return f": {failed[0]}"
    included = answer.editions or answer.cut
    return f" by today's filter; it was in {', '.join(included)}" if included else ""


def _facts(config: Config, digest: DigestConfig, answer: _Answer) -> dict[str, object]:
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
        "summary": _headline(config, digest, answer),
        "notice": answer.is_notice,
        "editions": list(answer.editions),
        "cut_from": list(answer.cut),
        "origins": dict(answer.origins),
        "gates": [{"passed": passed, "what": what} for passed, what in answer.preconditions],
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


def _origin_lines(answer: _Answer) -> Iterator[str]:
    if answer.origins:
        found = (f"{name} from {service}" for name, service in sorted(answer.origins.items()))
        yield f"completed: {', '.join(found).replace('_', ' ')}"


def _as_text(config: Config, digest: DigestConfig, answer: _Answer) -> str:
    row = answer.paper
    lines = [
        _headline(config, digest, answer),
        "",
        f"{row.paper.id}v{row.paper.version}  {row.paper.title}",
        f"announced {local(row.seen_at, config)} by {row.source}",
        *_origin_lines(answer),
        "",
        *_notice_lines(answer),
        *(f"{'✓' if passed else '✗'} {what}" for passed, what in answer.preconditions),
        format_explanation(answer.explanation),
    ]
    return "\n".join(lines)


def _notice_lines(answer: _Answer) -> Iterator[str]:
    if answer.is_notice:
        what = answer.paper.paper.document_type
        yield f"✓ {what} of a paper that the digest had: included whatever its filter and types"
