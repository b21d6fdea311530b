"""``digestbot papers``: which papers are one work, and why."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from digestbot.cli.app import App, local
from digestbot.config import Config
from digestbot.errors import DigestbotError
from digestbot.ids import parse_paper_id

if TYPE_CHECKING:
    from digestbot.store import Decision, Name, Store


@click.group("papers", short_help="Show the ids and names of a paper; merge or split papers.")
def command() -> None:
    """
    Show the ids and names of a paper; merge or split papers.

    A preprint and its journal version are one work, announced once. PAPER is an arXiv identifier,
    an arXiv URL, a DOI or another id of the store; 'explain' finds the id by words of the title.
    """


@command.command("show", short_help="Show the ids and names of a work, and what joined them.")
@click.argument("paper")
@click.pass_obj
def show(app: App, paper: str) -> int:
    """Show the ids and names of a work, with the records that joined them."""
    config = app.config()
    with app.store(config, read_only=True) as store:
        found = known(store, parse_paper_id(paper).id)
        facts, lines = describe(store, config, found)
    app.show(facts, lambda: "\n".join(lines))
    return 0


@command.command("merge", short_help="Declare papers to be one work.")
@click.argument("papers", nargs=-1, required=True, metavar="PAPER OTHER...")
@click.pass_obj
def merge(app: App, papers: tuple[str, ...]) -> int:
    """Declare papers to be one work; nothing is announced again. Undo with 'papers split'."""
    if len(papers) < 2:
        raise click.UsageError("give two papers, for example: 2603.20941 10.1000/xyz")
    with app.store(app.config()) as store:
        first, *others = (known(store, parse_paper_id(paper).id) for paper in papers)
        merged = [each for each in others if store.works.merge(first, each, app.clock())]
    app.show(
        {"paper": first, "merged": merged},
        lambda: "\n".join(
            f"{each} and {first} are one work{'' if each in merged else ' already'}"
            for each in others
        ),
    )
    return 0


@command.command("split", short_help="Take papers out of their works.")
@click.argument("papers", nargs=-1, required=True, metavar="PAPER...")
@click.pass_obj
def split(app: App, papers: tuple[str, ...]) -> int:
    """
    Take papers out of their works, and keep them apart from the rest whatever records say.

    An alias of another paper becomes a separate paper with its next record. To send papers that the
    merge has hidden, use 'digestbot run --missed-since'.
    """
    names = [parse_paper_id(paper).id for paper in papers]
    with app.store(app.config()) as store:
        apart = {name: store.works.split(name, app.clock()) for name in names}
    app.show(
        [{"paper": name, "apart_from": list(others)} for name, others in apart.items()],
        lambda: "\n".join(
            f"{name} is kept apart from {', '.join(others)}"
            for name, others in apart.items()
            if others
        ),
    )
    if alone := [name for name, others in apart.items() if not others]:
        raise DigestbotError(f"not merged with any other paper: {', '.join(alone)}")
    return 0


def known(store: "Store", name: str) -> str:
    """
    Return the paper with this id or name.

    Raises:
        DigestbotError: There is none.
    """
    found = store.works.known_as(name)
    if found is None:
        raise DigestbotError(f"no source has announced {name}")
    return found


def describe(
    store: "Store", config: Config, paper_id: str
) -> tuple[dict[str, object], Sequence[str]]:
    """Return the ids and names of the paper's work as facts and as lines."""
    ids = sorted(store.works.of([paper_id])[paper_id])
    names, decisions = store.works.names(ids), store.works.decisions(ids)
    facts = {
        "papers": ids,
        "names": [_name_facts(name) for name in names],
        "merges": [_decision_facts(each) for each in decisions if not each.is_apart],
        "apart": [_decision_facts(each) for each in decisions if each.is_apart],
    }
    lines = [
        f"Known as {', '.join(ids)}",
        *(f"  {_name_text(name)}, {local(name.at, config)}" for name in names),
        *(f"  {_decision_text(each)}, {local(each.at, config)}" for each in decisions),
    ]
    return facts, lines


def _name_facts(name: "Name") -> dict[str, object]:
    return {
        "name": name.name,
        "paper": name.paper_id,
        "source": name.source,
        "record": name.record,
        "at": name.at,
    }


def _name_text(name: "Name") -> str:
    return f"{name.name}: a name of {name.paper_id}, stated by {name.source}"


def _decision_facts(decision: "Decision") -> dict[str, object]:
    return {
        "papers": list(decision.papers),
        "source": decision.source,
        "reason": decision.reason,
        "at": decision.at,
    }


def _decision_text(decision: "Decision") -> str:
    what = "kept apart" if decision.is_apart else "one work"
    source = f" ({decision.source})" if decision.source else ""
    return f"{' and '.join(decision.papers)}: {what}, {decision.reason}{source}"
