"""``digestbot init``: write a first config from a few questions."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from digestbot.addresses import check_address
from digestbot.cli.app import App, program
from digestbot.config.initial import Answers, initial_config
from digestbot.errors import InvalidAddress, UsageError
from digestbot.filters import check_filter
from digestbot.sources.arxiv import ArxivOptions

T = TypeVar("T")

DEFAULTS = Answers()


@click.command("init", short_help="Write a commented config.yaml from a few questions.")
@click.option("-y", "--yes", is_flag=True, help="Use the defaults without asking.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--categories", help="arXiv categories, separated by spaces or commas.")
@click.option("--keywords", help="Keywords and phrases, separated by commas.")
@click.option("--email", help="Email address that receives the digest.")
@click.pass_obj
def command(
    app: App,
    yes: bool,
    force: bool,
    categories: str | None,
    keywords: str | None,
    email: str | None,
) -> int:
    """Write a commented config.yaml from a few questions, or from defaults with --yes."""
    path = Path(app.config_option or "config.yaml")
    if path.exists() and not force:
        raise UsageError(f"{path} already exists; use --force to overwrite")
    answers = Answers(
        timezone=_zone(),
        categories=_answer(
            categories, "arXiv categories", " ".join(DEFAULTS.categories), _categories, ask=not yes
        ),
        keywords=_answer(
            keywords,
            "keywords and phrases, separated by commas",
            ", ".join(DEFAULTS.keywords),
            _keywords,
            ask=not yes,
        ),
        email=_answer(
            email, "your email address (empty: write files to a folder)", "", _email, ask=not yes
        ),
    )
    text = initial_config(answers)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    app.show({"config": str(path)}, lambda: str(path))
    app.say(f"next: run '{program()} check', then '{program()} preview my-field'")
    return 0


def _answer(
    given: str | None, question: str, default: str, read: Callable[[str], T], *, ask: bool
) -> T:
    """Return the option's value, else the user's answer, else the default, parsed by *read*."""
    if given is not None or not ask:
        return read(default if given is None else given)
    # Prompts go to stderr, as stdout is for results. An answer that read rejects is asked again.
    answer: T = click.prompt(
        question, default=default, show_default=bool(default), value_proc=read, err=True
    )
    return answer


def _categories(text: str) -> tuple[str, ...]:
    categories = tuple(text.replace(",", " ").split()) or DEFAULTS.categories
    try:
        return ArxivOptions(categories=categories).categories
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _keywords(text: str) -> tuple[str, ...]:
    stripped = (keyword.strip().strip('"“”').strip() for keyword in text.split(","))
    keywords = tuple(filter(None, stripped)) or DEFAULTS.keywords
    _, problems = check_filter(list(keywords))
    if problems:
        raise click.BadParameter(str(problems[0]))
    return keywords


def _zone() -> str:
    """Return this machine's time zone, or the default if unknown."""
    from tzlocal import get_localzone_name

    try:
        name = str(ZoneInfo(get_localzone_name()))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return DEFAULTS.timezone
    return DEFAULTS.timezone if name in ("Etc/UTC", "local") else name


def _email(text: str) -> str | None:
    try:
        return check_address(text) if text.strip() else None
    except InvalidAddress as error:
        raise click.BadParameter(str(error)) from error
