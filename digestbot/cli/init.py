"""``digestbot init``: a first config from a few questions."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from digestbot.addresses import check_address
from digestbot.cli.app import App, program
from digestbot.config.initial import Answers, initial_config
from digestbot.errors import InvalidAddress, UsageError
from digestbot.sources.arxiv import ArxivOptions

T = TypeVar("T")

DEFAULTS = Answers()


@click.command("init", short_help="Write a commented config.yaml from a few questions.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; take the defaults.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--categories", help="arXiv categories, parted by blanks or commas.")
@click.option("--keywords", help="Words and phrases, parted by commas.")
@click.option("--email", help="Who gets the digest.")
@click.pass_obj
def command(
    app: App,
    yes: bool,
    force: bool,
    categories: str | None,
    keywords: str | None,
    email: str | None,
) -> int:
    """Write a commented config.yaml from a few questions, or with --yes from defaults."""
    path = Path(app.config_option or "config.yaml")
    if path.exists() and not force:
        raise UsageError(f"{path} is there already; --force writes over it")
    answers = Answers(
        timezone=_zone(),
        categories=_answer(
            categories, "arXiv categories", " ".join(DEFAULTS.categories), _categories, ask=not yes
        ),
        keywords=_answer(
            keywords,
            "words and phrases, parted by commas",
            ", ".join(DEFAULTS.keywords),
            _keywords,
            ask=not yes,
        ),
        email=_answer(
            email, "your mail address (empty: files in a folder)", "", _email, ask=not yes
        ),
    )
    text = initial_config(answers)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    app.show({"config": str(path)}, lambda: str(path))
    app.say(f"next: {program()} check, then {program()} preview my-field")
    return 0


def _answer(
    given: str | None, question: str, default: str, read: Callable[[str], T], *, ask: bool
) -> T:
    """What was given as an option, else what is answered, else the default, as *read* reads it."""
    if given is not None or not ask:
        return read(default if given is None else given)
    # On stderr, so that stdout holds facts only; what read refuses is asked for again.
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
    words = (word.strip().strip('"“”').strip() for word in text.split(","))
    return tuple(filter(None, words)) or DEFAULTS.keywords


def _zone() -> str:
    """The zone of this machine as far as it tells, else UTC."""
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
