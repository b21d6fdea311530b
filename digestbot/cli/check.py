"""``digestbot check``: validate everything before the first email goes out."""

import asyncio
import json
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digestbot.batches import arxiv_sources
from digestbot.cli.app import App, count, percent
from digestbot.config import Config, DigestConfig, locator
from digestbot.config.positions import Flaw
from digestbot.deliver import REGISTRY, open_sender
from digestbot.errors import ConfigError, DigestbotError, Problem, StoreError
from digestbot.filters import evaluate
from digestbot.lint import lacking_fields, lint_filter, lint_sources
from digestbot.model import AnnounceType, Edition, Form, Theme
from digestbot.net import AllowedHosts, Client, user_agent
from digestbot.pipeline import next_edition, read_ahead
from digestbot.pipeline.fetching import StorePacer
from digestbot.pipeline.messages import needed_forms, preview_message, render_context
from digestbot.render import RenderContext, load_templates, render
from digestbot.render.templates import packaged_folder
from digestbot.schedule import AnnouncementSchedule
from digestbot.sources import OnDisk, Options
from digestbot.store import FieldCounts, current_process, open_store

if TYPE_CHECKING:
    from digestbot.filters.index import Batch
    from digestbot.store import Store

NEWEST = 5000
REACH = timedelta(days=90)
"""Filters are tried on the newest papers: enough to be meaningful, few enough to be fast."""
PATIENCE_S = 60
"""Time limit per server: the user is waiting. `fetch` retries for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of one check."""

    what: str
    state: str
    """``ok``, ``warning`` or ``error``."""
    words: str
    fields: FieldCounts | None = None
    """Fields of a source's papers, if this is about a source."""


@click.command("check", short_help="Validate the config and its filters.")
@click.option(
    "--connect", is_flag=True, help="Also test sources, SMTP, Slack, folders and the database."
)
@click.pass_obj
def command(app: App, connect: bool) -> int:
    """
    Validate the config, run the filters' examples and render every digest.

    With --connect, also fetches the first page of every source and reports which fields its papers
    have, logs in to SMTP and Slack, and tests the database and output folders. Nothing is sent or
    stored.

    JSON output: "problems" lists config errors, "findings" the result of each check.
    """
    try:
        config = app.config()
    except ConfigError as error:
        if app.as_json:
            problems = [str(problem) for problem in error.problems]
            click.echo(json.dumps({"problems": problems, "findings": []}, indent=2))
        raise
    findings = _offline(app, config)
    findings += asyncio.run(_connections(app, config)) if connect else _missing_paths(config)
    facts = {"problems": [], "findings": [_facts(finding) for finding in findings]}
    app.show(facts, lambda: "\n".join(_lines(app, config, findings)))
    return 1 if any(finding.state == "error" for finding in findings) else 0


def _offline(app: App, config: Config) -> list[Finding]:
    """Check the templates, the digests and the store; digests need the store."""
    try:
        with app.store(config, read_only=True) as store:
            findings = list(_unused_templates(config.templates)) if config.templates else []
            findings += _digests(app, store, config)
            why = store.processes.objection(current_process(), app.clock())
            return [*findings, _store_finding(why)]
    except StoreError as error:
        return [Finding(what="store", state="error", words=str(error))]


def _store_finding(objection: str | None) -> Finding:
    if objection:
        return Finding(what="store", state="error", words=objection)
    return Finding(what="store", state="ok", words="opened")


def _missing_paths(config: Config) -> list[Finding]:
    """Report the missing files and folders of sources."""
    paths = {
        name: options.path
        for name, options in config.sources.items()
        if isinstance(options, OnDisk)
    }
    return [
        Finding(what=f"source {name}", state="error", words=f'"{path}": no such file or folder')
        for name, path in paths.items()
        if not Path(path).exists()
    ]


def _facts(finding: Finding) -> dict[str, object]:
    facts = {"what": finding.what, "state": finding.state, "words": finding.words}
    counts = finding.fields
    return facts | ({"fields": {"papers": counts.papers, **counts.shares()}} if counts else {})


SIGNS = {"ok": "✓", "warning": "!", "error": "✗"}


def _lines(app: App, config: Config, findings: list[Finding]) -> Iterator[str]:
    digests, sources = count(len(config.digests), "digest"), count(len(config.sources), "source")
    yield f"✓ {app.config_path()}: {digests}, {sources}"
    for finding in findings:
        yield f"{SIGNS[finding.state]} {finding.what}: {finding.words}"


def _unused_templates(folder: Path) -> Iterator[Finding]:
    """Report unused templates of the operator; their names are probably typos."""
    packaged = packaged_folder()
    ours = {path.relative_to(packaged).as_posix() for path in packaged.rglob("*.*")}
    known = ours | {f"{theme}/{name}" for theme in Theme for name in ours}
    texts = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.rglob("*.j2"))
        if path.is_file()
    }
    for name in sorted(texts.keys() - known):
        if not any(name in text for text in texts.values()):
            near = get_close_matches(name, sorted(known), n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            words = f"{name} overrides no built-in template, and none of yours includes it{hint}"
            yield Finding(what="templates", state="warning", words=words)


def _render_all(
    config: Config, digest: DigestConfig, edition: Edition, context: RenderContext
) -> None:
    """Render *edition* to its final bytes for the destinations and exports of *digest*."""
    forms = needed_forms(each.kind for each in digest.destinations) or {Form.EML}
    if Form.EML in forms:
        preview_message(config, edition, context)
        forms -= {Form.EML, Form.SUBJECT, Form.HTML, Form.TEXT}  # inside the message
    for form in (*sorted(forms), *digest.exports):
        render(edition, form, context)


def _digests(app: App, store: "Store", config: Config) -> Iterator[Finding]:
    templates = load_templates(config.templates)
    now = app.clock()
    linter = _Linter(store, config, now)
    readings = read_ahead(store, config.digests.values(), now=now)
    for digest in config.digests.values():
        yield from _examples(store, digest)
        yield from linter.warnings(digest)
        context = render_context(
            config, templates, digest, next_edition_at=digest.schedule.next_after(now)
        )
        try:
            state = store.digests.find(digest.name)
            edition, _ = next_edition(
                store, digest, state, now=now, candidates=readings[digest.name]
            )
            _render_all(config, digest, edition, context)
        except StoreError:
            raise
        except DigestbotError as error:
            yield Finding(what=digest.name, state="error", words=str(error))
        else:
            words = f"{_schedule(config, digest)}; {_recipients(store, digest)}"
            yield Finding(what=digest.name, state="ok", words=words)


def _schedule(config: Config, digest: DigestConfig) -> str:
    """Describe the schedule; point out one that waits for arXiv without an arXiv source."""
    schedule = digest.schedule
    words = schedule.in_words()
    if not isinstance(schedule, AnnouncementSchedule):
        return words
    if not arxiv_sources(config).keys().isdisjoint(digest.sources):
        return words
    return f"{words}, due at {schedule.earliest:%H:%M} as none of its sources is arXiv"


def _recipients(store: "Store", digest: DigestConfig) -> str:
    """Count the destinations that receive the next edition, and the suppressed ones."""
    addresses = [each.address for each in digest.destinations]
    suppressed = sum(map(store.subscriptions.is_suppressed, addresses))
    receiving = count(len(addresses) - suppressed, "recipient")
    return f"{receiving}, {suppressed} suppressed" if suppressed else receiving


class _Linter:
    """
    Likely mistakes in filters, found in the filter or by trying it on the newest papers.

    Reads the config file once, and the papers once per combination of sources and types.
    """

    def __init__(self, store: "Store", config: Config, now: datetime) -> None:
        self._store = store
        self._config = config
        self._now = now
        self._pools: dict[object, _Pool] = {}

    def warnings(self, digest: DigestConfig) -> Iterator[Finding]:
        """Yield each likely mistake in the digest's filter, with its position in the config."""
        pool = self._pool(digest)
        found = lint_filter(digest.filter, pool.batch)
        found += lint_sources(digest.filter, pool.lacking)
        steps = ("digests", digest.name, "filter")
        flaws = [Flaw(steps=(*steps, *doubt.path), message=doubt.message) for doubt in found]
        for problem in self._locate(flaws) if flaws else ():
            yield Finding(what=digest.name, state="warning", words=str(problem))

    @cached_property
    def _locate(self) -> Callable[[Iterable[Flaw]], Iterable[Problem]]:
        return locator(self._config.path)

    def _pool(self, digest: DigestConfig) -> "_Pool":
        sources, types = frozenset(digest.sources), frozenset(digest.types)
        if (sources, types) not in self._pools:
            self._pools[sources, types] = self._read(sources, types)
        return self._pools[sources, types]

    def _read(self, sources: Collection[str], types: Collection[AnnounceType]) -> "_Pool":
        papers = self._store.papers
        after = max(papers.head() - NEWEST, papers.first_seq_since(self._now - REACH))
        rows = tuple(papers.announcements(after, None, sources=sources, types=types, backlog=True))
        if not rows:
            return _Pool()
        from digestbot.filters.index import Batch

        return _Pool(batch=Batch.of(rows), lacking=lacking_fields(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """Papers to try filters on."""

    batch: "Batch | None" = None
    """None without papers."""
    lacking: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Fields that no paper has, by source."""


def _examples(store: "Store", digest: DigestConfig) -> Iterator[Finding]:
    """Try the filter on each paper listed in its ``examples``."""
    examples = digest.filter.examples
    for should_match, ids in ((True, examples.match), (False, examples.skip)):
        for paper_id in ids:
            yield _example(store, digest, paper_id, should_match)


def _example(store: "Store", digest: DigestConfig, paper_id: str, should_match: bool) -> Finding:
    what = f"{digest.name}: example {paper_id}"
    rows = store.papers.of_paper(paper_id)
    if not rows:
        words = "not tested: the paper is not in the store; 'digestbot fetch' may add it"
        return Finding(what=what, state="warning", words=words)
    if evaluate(digest.filter, rows[-1]).matched == should_match:
        return Finding(what=what, state="ok", words="matches" if should_match else "does not match")
    verdict = "should match but does not" if should_match else "should not match but does"
    hint = f"'digestbot explain {digest.name} {paper_id}' shows why"
    return Finding(what=what, state="error", words=f"{verdict}; {hint}")


async def _connections(app: App, config: Config) -> list[Finding]:
    agent = user_agent(config.contact)
    with _pacing_store(app, config) as store:
        async with Client(
            user_agent=agent,
            allowed=AllowedHosts.parse(config.allowed_hosts),
            pacer=StorePacer(store, app.clock),
            clock=app.clock,
        ) as client:
            # Requests to one server are paced one after another.
            patience_s = PATIENCE_S * len(config.sources)
            checks = [
                _finding(
                    f"source {name}",
                    _first_page(name, options, client, app.clock()),
                    patience_s=patience_s,
                )
                for name, options in config.sources.items()
            ]
            checks += [
                _finding(kind, _sender_check(config, kind), patience_s=PATIENCE_S)
                for kind in _kinds(config)
            ]
            return [*_damage(store), *await asyncio.gather(*checks)]


@contextmanager
def _pacing_store(app: App, config: Config) -> "Iterator[Store]":
    """Open the store that paces requests: the config's, or one in memory if that fails."""
    with ExitStack() as stack:
        try:
            store = stack.enter_context(app.store(config))
        except StoreError:
            store = stack.enter_context(open_store("sqlite://"))
        yield store


def _damage(store: "Store") -> Iterator[Finding]:
    try:
        damage = store.find_damage()
    except StoreError as error:
        yield Finding(what="store", state="error", words=str(error))
        return
    if damage:
        words = f"the file is damaged ({damage}); restore a backup"
        yield Finding(what="store", state="error", words=words)


async def _first_page(name: str, options: Options, client: Client, now: datetime) -> Finding:
    from digestbot.sources.parser_pool import ParserPool

    counts = FieldCounts()
    async with ParserPool() as pool:
        async for page in options.fetch(name, client, {}, now, parse=pool):
            counts = FieldCounts.of(page.papers)
            break
    words = f"{count(counts.papers, 'paper')} on the first page"
    if counts.papers:
        shares = map(percent, counts.shares().values())
        words += "; with abstract {}, authors {}, DOI {}, date {}".format(*shares)
    return Finding(what=f"source {name}", state="ok", words=words, fields=counts)


def _kinds(config: Config) -> list[str]:
    return sorted(
        kind for kind in REGISTRY if _addresses(config, kind) or REGISTRY[kind].is_set_up(config)
    )


async def _sender_check(config: Config, kind: str) -> Finding:
    sender = open_sender(kind, config)
    try:
        words = await sender.check(_addresses(config, kind))
        return Finding(what=kind, state="ok", words=words)
    finally:
        await sender.close()


def _addresses(config: Config, kind: str) -> tuple[str, ...]:
    """Return the addresses of *kind* in the config, each once."""
    destinations = (d for digest in config.digests.values() for d in digest.destinations)
    return tuple(dict.fromkeys(d.address for d in destinations if d.kind == kind))


async def _finding(
    what: str, attempt: Coroutine[None, None, Finding], *, patience_s: float
) -> Finding:
    try:
        async with asyncio.timeout(patience_s):
            return await attempt
    except TimeoutError:
        return Finding(what=what, state="error", words=f"no valid response within {patience_s} s")
    except DigestbotError as error:
        return Finding(what=what, state="error", words=str(error))
