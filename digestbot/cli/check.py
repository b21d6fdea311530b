"""``digestbot check``: everything that can be known before the first mail goes out."""

import asyncio
import json
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from digestbot.cli.app import App, count
from digestbot.config import Config, DigestConfig, locator
from digestbot.config.positions import Flaw
from digestbot.deliver import REGISTRY, open_sender
from digestbot.errors import ConfigError, DigestbotError, Problem, StoreError
from digestbot.filters import evaluate
from digestbot.lint import lint_filter
from digestbot.model import AnnounceType, Form, Theme
from digestbot.net import Client, user_agent
from digestbot.pipeline import next_edition, read_ahead
from digestbot.pipeline.fetching import StorePacer
from digestbot.pipeline.messages import render_context
from digestbot.render import load_templates, render
from digestbot.render.templates import packaged_folder
from digestbot.sources import Options
from digestbot.store import open_store

if TYPE_CHECKING:
    from digestbot.filters.index import Batch
    from digestbot.store import Store

NEWEST = 5000
REACH = timedelta(days=90)
"""The papers that a filter is tried on: enough to speak of, few enough to wait for."""
PATIENCE_S = 60
"""A person waits for the answers; `fetch` asks on for longer."""
FORMS = (Form.SUBJECT, Form.HTML, Form.TEXT, Form.SLACK, Form.JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: str
    """``ok``, ``warning`` or ``error``."""
    words: str


@click.command("check", short_help="Validate the config and its filters.")
@click.option("--connect", is_flag=True, help="Also try sources, SMTP, Slack and the database.")
@click.pass_obj
def command(app: App, connect: bool) -> int:
    """
    Validate the config, run the filters' examples and render every digest.

    With --connect also ask every source for its first page, log in to the SMTP server and to
    Slack, and write to the folders; nothing is sent and nothing is stored.

    As JSON: "problems" are what keeps the config from being read, "findings" what was looked at.
    """
    try:
        config = app.config()
    except ConfigError as error:
        if app.as_json:
            problems = [str(problem) for problem in error.problems]
            click.echo(json.dumps({"problems": problems, "findings": []}, indent=2))
        raise
    findings = _offline(app, config)
    if connect:
        findings += asyncio.run(_connections(app, config))
    facts = {"problems": [], "findings": [_facts(finding) for finding in findings]}
    app.show(facts, lambda: "\n".join(_lines(app, config, findings)))
    return 1 if any(finding.state == "error" for finding in findings) else 0


def _offline(app: App, config: Config) -> list[Finding]:
    """The digests and the store; without a store the digests cannot be tried."""
    try:
        with app.store(config, read_only=True) as store:
            findings = list(_strangers(config.templates)) if config.templates else []
            findings += _digests(app, store, config)
            return [*findings, Finding(what="store", state="ok", words="open")]
    except StoreError as error:
        return [Finding(what="store", state="error", words=str(error))]


def _facts(finding: Finding) -> dict[str, str]:
    return {"what": finding.what, "state": finding.state, "words": finding.words}


SIGNS = {"ok": "✓", "warning": "!", "error": "✗"}


def _lines(app: App, config: Config, findings: list[Finding]) -> Iterator[str]:
    digests, sources = count(len(config.digests), "digest"), count(len(config.sources), "source")
    yield f"✓ {app.config_path()}: {digests}, {sources}"
    for finding in findings:
        yield f"{SIGNS[finding.state]} {finding.what}: {finding.words}"


def _strangers(folder: Path) -> Iterator[Finding]:
    """The owner's templates that nothing asks for: most likely their names are slips."""
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
            words = f"{name} takes the place of none of ours, and none of yours names it{hint}"
            yield Finding(what="templates", state="warning", words=words)


def _digests(app: App, store: "Store", config: Config) -> Iterator[Finding]:
    templates = load_templates(config.templates)
    now = app.clock()
    doubting = _Doubting(store, config, now)
    readings = read_ahead(store, config.digests.values(), now=now)
    for digest in config.digests.values():
        yield from _examples(store, digest)
        yield from doubting.about(digest)
        context = render_context(
            config, templates, digest, next_edition_at=digest.schedule.next_after(now)
        )
        try:
            state = store.digests.find(digest.name)
            edition, _ = next_edition(
                store, digest, state, now=now, candidates=readings[digest.name]
            )
            for form in FORMS:
                render(edition, form, context)
        except StoreError:
            raise
        except DigestbotError as error:
            yield Finding(what=digest.name, state="error", words=str(error))
        else:
            destinations = count(len(digest.destinations), "destination")
            words = f"{digest.schedule.in_words()}; {destinations}"
            yield Finding(what=digest.name, state="ok", words=words)


class _Doubting:
    """
    What filters may not mean, by themselves and by the newest papers of their sources.

    The config's file is read once, and once the papers of digests that share sources and types.
    """

    def __init__(self, store: "Store", config: Config, now: datetime) -> None:
        self._store = store
        self._config = config
        self._now = now
        self._pools: dict[object, Batch | None] = {}

    def about(self, digest: DigestConfig) -> Iterator[Finding]:
        """Each doubt about the digest's filter, with its place."""
        found = lint_filter(digest.filter, self._pool(digest))
        steps = ("digests", digest.name, "filter")
        flaws = [Flaw(steps=(*steps, *doubt.path), message=doubt.message) for doubt in found]
        for problem in self._locate(flaws) if flaws else ():
            yield Finding(what=digest.name, state="warning", words=str(problem))

    @cached_property
    def _locate(self) -> Callable[[Iterable[Flaw]], Iterable[Problem]]:
        return locator(self._config.path)

    def _pool(self, digest: DigestConfig) -> "Batch | None":
        """None if there is nothing."""
        sources, types = frozenset(digest.sources), frozenset(digest.types)
        if (sources, types) not in self._pools:
            self._pools[sources, types] = self._read(sources, types)
        return self._pools[sources, types]

    def _read(self, sources: Collection[str], types: Collection[AnnounceType]) -> "Batch | None":
        papers = self._store.papers
        after = max(papers.head() - NEWEST, papers.first_seq_since(self._now - REACH))
        rows = tuple(papers.announcements(after, None, sources=sources, types=types, backlog=True))
        if not rows:
            return None
        from digestbot.filters.index import Batch

        return Batch.of(rows)


def _examples(store: "Store", digest: DigestConfig) -> Iterator[Finding]:
    """Each paper that the filter names as an example, against what the filter says of it."""
    for wanted, ids in ((True, digest.filter.examples.match), (False, digest.filter.examples.skip)):
        for paper_id in ids:
            yield _example(store, digest, paper_id, wanted)


def _example(store: "Store", digest: DigestConfig, paper_id: str, wanted: bool) -> Finding:
    what = f"{digest.name}: example {paper_id}"
    rows = store.papers.of_paper(paper_id)
    if not rows:
        words = "not in the store yet, so it cannot be tried; 'digestbot fetch' may bring it"
        return Finding(what=what, state="warning", words=words)
    if evaluate(digest.filter, rows[-1]).matched == wanted:
        return Finding(what=what, state="ok", words="matches" if wanted else "is left out")
    verb = "should match and is left out" if wanted else "should be left out and matches"
    hint = f"'digestbot explain {digest.name} {paper_id}' tells why"
    return Finding(what=what, state="error", words=f"{verb}; {hint}")


async def _connections(app: App, config: Config) -> list[Finding]:
    agent = user_agent(config.contact)
    with _pacing_store(app, config) as store:
        async with Client(
            user_agent=agent, pacer=StorePacer(store, app.clock), clock=app.clock
        ) as client:
            # Those of one server wait for one another.
            patience_s = PATIENCE_S * len(config.sources)
            tries = [
                _tried(
                    f"source {name}",
                    _first_page(name, options, client, app.clock()),
                    patience_s=patience_s,
                )
                for name, options in config.sources.items()
            ]
            tries += [
                _tried(kind, _sender_check(config, kind), patience_s=PATIENCE_S)
                for kind in _kinds(config)
            ]
            return list(await asyncio.gather(*tries))


@contextmanager
def _pacing_store(app: App, config: Config) -> "Iterator[Store]":
    """What keeps arXiv's terms: the config's store, or for this call only one in memory."""
    with ExitStack() as stack:
        try:
            store = stack.enter_context(app.store(config))
        except StoreError:
            store = stack.enter_context(open_store("sqlite://"))
        yield store


async def _first_page(name: str, options: Options, client: Client, now: datetime) -> str:
    from digestbot.sources.parser_pool import ParserPool

    async with ParserPool() as pool:
        async for page in options.fetch(name, client, {}, now, parse=pool):
            return f"{len(page.papers)} papers on the first page"
    return "nothing on the first page"


def _kinds(config: Config) -> list[str]:
    return sorted(
        kind for kind in REGISTRY if _addresses(config, kind) or REGISTRY[kind].is_set_up(config)
    )


async def _sender_check(config: Config, kind: str) -> str:
    sender = open_sender(kind, config)
    try:
        return await sender.check(_addresses(config, kind))
    finally:
        await sender.close()


def _addresses(config: Config, kind: str) -> tuple[str, ...]:
    """Return the addresses of *kind* in the config, each once."""
    destinations = (d for digest in config.digests.values() for d in digest.destinations)
    return tuple(dict.fromkeys(d.address for d in destinations if d.kind == kind))


async def _tried(what: str, attempt: Coroutine[None, None, str], *, patience_s: float) -> Finding:
    try:
        async with asyncio.timeout(patience_s):
            return Finding(what=what, state="ok", words=await attempt)
    except TimeoutError:
        return Finding(what=what, state="error", words=f"no good answer within {patience_s} s")
    except DigestbotError as error:
        return Finding(what=what, state="error", words=str(error))
