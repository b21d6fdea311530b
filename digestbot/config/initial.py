"""
The first config of a new owner: short, commented, and good as it is. Begin at `initial_config`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What ``digestbot init`` asks; the defaults are what ``--yes`` takes."""

    title: str = "My field"
    timezone: str = "UTC"
    categories: tuple[str, ...] = ("cs.DC", "cs.LG")
    """arXiv categories or archives; at least one."""
    keywords: tuple[str, ...] = ("serverless", "mixture of experts")
    """Words or phrases; with none of them every paper of the categories is in."""
    email: str | None = None
    """The reader's address; without one the editions only go to a folder."""
    slack: str | None = None
    """A channel, ``#papers``."""
    smtp_host: str = "localhost"


def initial_config(answers: Answers) -> str:
    """
    The text of a config.yaml with *answers* filled in; its one digest is ``my-field``.

    It loads as it is, but for ``SLACK_BOT_TOKEN``, which a Slack channel needs in the environment.
    """
    return "\n".join([*_top(answers), *_servers(answers), *_digest(answers), ""])


def _top(answers: Answers) -> Iterator[str]:
    yield "# The config of digestbot. Every key is explained in config.example.yaml."
    yield "# Next: digestbot check, digestbot preview my-field, digestbot run"
    yield f"timezone: {_text(answers.timezone)}    # of the schedules and of the dates in mails"
    yield ""
    yield "sources:"
    yield "  arxiv:"
    yield "    kind: arxiv"
    yield f"    categories: {_list(answers.categories)}"


def _servers(answers: Answers) -> Iterator[str]:
    if answers.email:
        yield ""
        yield "smtp:                         # the server that takes your mail"
        yield f"  host: {_text(answers.smtp_host)}"
        yield "  security: none              # starttls or tls, if it is not your own machine"
        yield "  # username: you@example.org"
        yield "  # password: ${SMTP_PASSWORD}   # read from the environment"
        yield f"  sender: {_text(f'Digests <{answers.email}>')}"
    if answers.slack:
        yield ""
        yield "slack:"
        yield "  token: ${SLACK_BOT_TOKEN}   # read from the environment; scope chat:write"


def _digest(answers: Answers) -> Iterator[str]:
    yield ""
    yield "digests:"
    yield "  my-field:"
    yield f"    title: {_text(answers.title)}"
    yield "    schedule: weekdays 09:00    # or daily 09:00, weekly mon 09:00, or cron"
    if answers.keywords:
        yield "    filter:"
        yield "      any:                      # at least one of these, in title or abstract"
        yield from (f"        - {_text(keyword)}" for keyword in answers.keywords)
        yield "      # none:                   # and none of these"
        yield "      #   - title: survey"
    yield "    deliver:"
    yield "      - folder: out             # .eml, .html, .txt and .json of each edition"
    if answers.email:
        yield f"      - email: {_text(answers.email)}"
    if answers.slack:
        yield f"      - slack: {_text(answers.slack)}"


def _list(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(_text(each) for each in texts)}]"


def _text(text: str) -> str:
    """*text* as YAML that means just that: bare if it is plain words, else in double quotes."""
    words = text.replace(" ", "").replace(".", "").replace("-", "").replace("/", "")
    is_bare = words.isascii() and words.isalpha() and text.lower() not in _MEANINGS
    is_bare = is_bare and text[:1].isalpha() and text == text.strip()
    if is_bare:
        return text
    # A JSON string is a YAML 1.2 string, but for raw characters that YAML does not allow (5.1) and
    # for escaped pairs of surrogates; and in it "${" would still be filled.
    quoted = json.dumps(text, ensure_ascii=False).replace("${", "$${")
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


_MEANINGS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML, 1.1 or 1.2, does not read as texts."""
